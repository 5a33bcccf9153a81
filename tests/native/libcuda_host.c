/* A CUDA driver in host memory: what goes into a stream is done when somebody waits for it,
   so that a program that reads or overwrites too early is found out.
   `stub_enqueue` puts a callback into a stream, as a kernel would be; `stub_live` counts what
   was made and not given back; `stub_fail` makes the n-th allocation from now fail. */
#include <string.h>
#include "libcuda_probe.c"

typedef void (*work)(void *);
struct op { int kind; void *to; const void *from; size_t size; work call; };
struct list { struct op ops[256]; int count; int capturing; struct list *graph; };

#define MORE(count) __sync_fetch_and_add(&count, 1)
#define LESS(count) __sync_fetch_and_sub(&count, 1)

static int live, fail_after = -1, launches;
int stub_live(void) { return live; }
int stub_launches(void) { return launches; }
void stub_fail(int after) { fail_after = after; }

static int out_of_memory(void) {
    if (fail_after < 0) return 0;
    return fail_after-- == 0 ? 2 : 0;
}

static int push(struct list *stream, struct op op) {
    struct list *target = stream->capturing ? stream->graph : stream;
    if (target->count == 256) return 1;
    target->ops[target->count++] = op;
    return 0;
}

int stub_enqueue(struct list *stream, work call, void *argument) {
    struct op op = {1, argument, NULL, 0, call};
    return push(stream, op);
}

int cuDevicePrimaryCtxRetain(void **context, int device) { (void)device; *context = &live; return 0; }
int cuCtxSetCurrent(void *context) { return context == &live ? 0 : 201; }
int cuMemGetInfo_v2(size_t *free, size_t *total) { *free = 1 << 20; *total = 8 << 20; return 0; }
int cuGetErrorName(int code, const char **name) {
    *name = code == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : code == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS" : "CUDA_ERROR_OTHER";
    return 0;
}
int cuMemAlloc_v2(unsigned long long *address, size_t size) {
    if (out_of_memory()) return 2;
    *address = (unsigned long long)memset(aligned_alloc(256, (size + 255) / 256 * 256), 0xa5, size);
    MORE(live);
    return 0;
}
int cuMemFree_v2(unsigned long long address) { free((void *)address); LESS(live); return 0; }
int cuMemHostAlloc(void **address, size_t size, unsigned flags) {
    (void)flags;
    if (out_of_memory()) return 2;
    *address = memset(malloc(size), 0x5a, size);
    MORE(live);
    return 0;
}
int cuMemFreeHost(void *address) { free(address); LESS(live); return 0; }

static int copy(void *to, const void *from, size_t size, struct list *stream) {
    struct op op = {0, to, from, size, NULL};
    return push(stream, op);
}
int cuMemcpyHtoDAsync_v2(unsigned long long to, void *from, size_t size, void *stream) {
    return copy((void *)to, from, size, stream);
}
int cuMemcpyDtoHAsync_v2(void *to, unsigned long long from, size_t size, void *stream) {
    return copy(to, (void *)from, size, stream);
}
int cuMemcpyDtoDAsync_v2(unsigned long long to, unsigned long long from, size_t size, void *stream) {
    return copy((void *)to, (void *)from, size, stream);
}

static int make(void **handle) { *handle = calloc(1, sizeof(struct list)); MORE(live); return 0; }
static int drop(void *handle) { free(handle); LESS(live); return 0; }
int cuStreamCreate(void **stream, unsigned flags) { return flags == 1 ? make(stream) : 1; }
int cuStreamDestroy_v2(void *stream) { return drop(stream); }
int cuStreamSynchronize(struct list *stream) {
    int i;
    for (i = 0; i < stream->count; i++) {
        struct op *op = &stream->ops[i];
        if (op->kind) op->call(op->to);
        else memcpy(op->to, op->from, op->size);
    }
    stream->count = 0;
    return getenv("STUB_SYNC") ? atoi(getenv("STUB_SYNC")) : 0;
}

/* An event is reached when its stream has nothing left to do. */
int cuEventCreate(void **event, unsigned flags) { return flags == 2 ? make(event) : 1; }
int cuEventDestroy_v2(void *event) { return drop(event); }
int cuEventRecord(struct list *event, struct list *stream) { event->graph = stream; return 0; }
int cuEventSynchronize(struct list *event) {
    if (event->graph) cuStreamSynchronize(event->graph);
    event->graph = NULL;
    return 0;
}

int cuStreamBeginCapture_v2(struct list *stream, int mode) {
    if (stream->capturing || mode != 1) return 901;
    stream->capturing = 1;
    return make((void **)&stream->graph);
}
int cuStreamEndCapture(struct list *stream, void **graph) {
    if (!stream->capturing) return 901;
    stream->capturing = 0;
    *graph = stream->graph;
    return 0;
}
int cuGraphInstantiateWithFlags(void **made, void *graph, unsigned long long flags) {
    (void)flags;
    make(made);
    memcpy(*made, graph, sizeof(struct list));
    return 0;
}
int cuGraphLaunch(struct list *graph, struct list *stream) {
    int i, code = 0;
    MORE(launches);
    for (i = 0; i < graph->count; i++) code |= push(stream, graph->ops[i]);
    return code;
}
int cuGraphExecDestroy(void *graph) { return drop(graph); }
int cuGraphDestroy(void *graph) { return drop(graph); }
