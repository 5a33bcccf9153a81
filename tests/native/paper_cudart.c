/* A CUDA runtime without a GPU: device memory is host memory, kernels do nothing, copies are
   done at once, or at each launch of the graph that recorded them.
   PAPER_GPUS, PAPER_SM: as in paper_libcuda.c.  PAPER_BROKEN: launches of graphs fail. */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, NO_DEVICE = 100 };
static int number(const char *name, int usual) { const char *t = getenv(name); return t ? atoi(t) : usual; }
static int gpus(void) { return number("PAPER_GPUS", 1); }
static int sm(void) { return number("PAPER_SM", 90); }

typedef struct { void *to; const void *from; size_t size; } Copy;
typedef struct { Copy *copies; size_t count; int launches; } Graph;
static Graph *recording = NULL;

static int copy(void *to, const void *from, size_t size) {
    if (!recording) { memmove(to, from, size); return OK; }
    recording->copies = realloc(recording->copies, (recording->count + 1) * sizeof(Copy));
    recording->copies[recording->count++] = (Copy){to, from, size};
    return OK;
}

int cudaGetDeviceCount(int *n) { *n = gpus(); return *n ? OK : NO_DEVICE; }
int cudaGetDevice(int *d) { *d = 0; return gpus() ? OK : NO_DEVICE; }
int cudaSetDevice(int d) { return d < gpus() ? OK : 101; }
int cudaDeviceSynchronize(void) { return OK; }
int cudaDriverGetVersion(int *v) { *v = 13000; return OK; }
int cudaRuntimeGetVersion(int *v) { *v = 13000; return OK; }
int cudaGetLastError(void) { return OK; }
int cudaPeekAtLastError(void) { return OK; }
const char *cudaGetErrorString(int e) { return e == NO_DEVICE ? "no CUDA-capable device is detected" : "paper"; }
const char *cudaGetErrorName(int e) { return e == NO_DEVICE ? "cudaErrorNoDevice" : "cudaPaper"; }
int cudaGetDeviceProperties(char *p, int d) {
    if (d >= gpus()) return 101;
    memset(p, 0, 512);  /* the rest of the struct is not looked at */
    strcpy(p, "Paper GPU");
    *(size_t *)(p + 288) = (size_t)8 << 30;
    *(size_t *)(p + 296) = 48 << 10;
    *(int *)(p + 304) = 65536; *(int *)(p + 308) = 32; *(int *)(p + 320) = 1024;
    *(int *)(p + 324) = 1024; *(int *)(p + 328) = 1024; *(int *)(p + 332) = 64;
    *(int *)(p + 336) = 2147483647; *(int *)(p + 340) = 65535; *(int *)(p + 344) = 65535;
    *(int *)(p + 360) = sm() / 10; *(int *)(p + 364) = sm() % 10; *(int *)(p + 384) = 16;
    return OK;
}
int cudaDeviceGetAttribute(int *v, int a, int d) {
    if (d >= gpus()) return 101;
    *v = a == 75 ? sm() / 10 : a == 76 ? sm() % 10 : a == 16 ? 16 : a == 10 ? 32 : 1024;
    return OK;
}
static int take(void **p, size_t n) { *p = aligned_alloc(256, (n + 511) / 256 * 256); if (*p) memset(*p, 0xA5, n); return *p ? OK : 2; }
int cudaMalloc(void **p, size_t n) { return take(p, n); }
int cudaMallocHost(void **p, size_t n) { return take(p, n); }
int cudaHostAlloc(void **p, size_t n, unsigned f) { (void)f; return take(p, n); }
int cudaMallocFromPoolAsync(void **p, size_t n, void *pool, void *s) { (void)pool; (void)s; return take(p, n); }
int cudaFree(void *p) { free(p); return OK; }
int cudaFreeHost(void *p) { free(p); return OK; }
int cudaFreeAsync(void *p, void *s) { (void)s; free(p); return OK; }
int cudaMemGetInfo(size_t *f, size_t *t) { *f = (size_t)7 << 30; *t = (size_t)8 << 30; return OK; }
int cudaMemcpy(void *to, const void *from, size_t n, int k) { (void)k; return copy(to, from, n); }
int cudaMemcpyAsync(void *to, const void *from, size_t n, int k, void *s) { (void)k; (void)s; return copy(to, from, n); }
int cudaMemset(void *p, int v, size_t n) { memset(p, v, n); return OK; }
int cudaMemsetAsync(void *p, int v, size_t n, void *s) { (void)s; memset(p, v, n); return OK; }
int cudaPointerGetAttributes(int *a, const void *p) { memset(a, 0, 32); a[0] = 1; (void)p; return OK; }
static int handle(void **h) { *h = calloc(1, 64); return OK; }
int cudaStreamCreate(void **s) { return handle(s); }
int cudaStreamCreateWithFlags(void **s, unsigned f) { (void)f; return handle(s); }
int cudaStreamDestroy(void *s) { free(s); return OK; }
int cudaEventCreate(void **e) { return handle(e); }
int cudaEventCreateWithFlags(void **e, unsigned f) { (void)f; return handle(e); }
int cudaEventDestroy(void *e) { free(e); return OK; }
int cudaEventElapsedTime(float *ms, void *a, void *b) { (void)a; (void)b; *ms = 1; return OK; }
int cudaMemPoolCreate(void **m, const void *p) { (void)p; return handle(m); }
int cudaMemPoolDestroy(void *m) { free(m); return OK; }
int cudaMemPoolGetAttribute(void *m, int a, void *v) { (void)m; (void)a; *(uint64_t *)v = 0; return OK; }
int cudaStreamBeginCapture(void *s, int mode) { (void)s; (void)mode; recording = calloc(1, sizeof(Graph)); return OK; }
int cudaStreamIsCapturing(void *s, int *v) { (void)s; *v = recording ? 1 : 0; return OK; }
int cudaStreamEndCapture(void *s, void **g) { (void)s; *g = recording; recording = NULL; return OK; }
int cudaGraphInstantiate(void **e, void *g, unsigned long long f) { (void)f; *e = g; return OK; }
int cudaGraphLaunch(Graph *g, void *s) {
    (void)s;
    if (getenv("PAPER_BROKEN")) return 2;
    for (size_t i = 0; i < g->count; i++) memmove(g->copies[i].to, g->copies[i].from, g->copies[i].size);
    return OK;
}
int cudaFuncGetAttributes(void *a, const void *f) { (void)f; memset(a, 0, 64); return OK; }
int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *n, const void *f, int b, size_t m, unsigned fl) { (void)f; (void)b; (void)m; (void)fl; *n = 1; return OK; }
int cudaGetDriverEntryPointByVersion(const char *s, void **p, unsigned v, unsigned long long f, int *r) { (void)s; (void)v; (void)f; *p = NULL; if (r) *r = 1; return OK; }
void **__cudaRegisterFatBinary(void *p) { (void)p; static void *h; return &h; }
unsigned __cudaPushCallConfiguration(uint64_t g1, unsigned g2, uint64_t b1, unsigned b2, size_t m, void *s) { (void)g1; (void)g2; (void)b1; (void)b2; (void)m; (void)s; return 0; }
int __cudaGetKernel(void **k, const void *f) { *k = (void *)f; return OK; }
