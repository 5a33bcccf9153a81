/* NVIDIA's library names for the Python bindings, which import these nine C functions.
   PART 1: libnvinfer, 2: libnvonnxparser, 3: libnvinfer_plugin.
   Without LIB every maker returns NULL, as NVIDIA's do on a machine without a driver; with
   LIB the calls go to that library (TensorRT-RTX, whose builder needs no GPU). */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef LIB
static void *target(const char *name) {
    static void *library;
    void *function;
    if (!library) library = dlopen(LIB, RTLD_NOW | RTLD_GLOBAL);
    function = library ? dlsym(library, name) : NULL;
    if (!function) {
        fprintf(stderr, "%s: %s\n", name, dlerror());
        exit(97);
    }
    return function;
}
#define PASS(type, name, ...) return ((type)target(#name))(__VA_ARGS__)
#else
#define PASS(type, name, ...) return 0
#endif

typedef void *(*two)(void *, int);
typedef void *(*three)(void *, void *, int);
typedef void *(*registry)(int);
typedef void *(*global)(void);
typedef int (*version)(void);

#if PART == 1
void *createInferBuilder_INTERNAL(void *log, int v) { PASS(two, createInferBuilder_INTERNAL, log, v); }
void *createInferRuntime_INTERNAL(void *log, int v) { PASS(two, createInferRuntime_INTERNAL, log, v); }
void *createInferRefitter_INTERNAL(void *e, void *log, int v) {
    PASS(three, createInferRefitter_INTERNAL, e, log, v);
}
void *getBuilderPluginRegistry(int capability) { PASS(registry, getBuilderPluginRegistry, capability); }
void *getPluginRegistry(void) { PASS(global, getPluginRegistry); }
#elif PART == 2
void *createNvOnnxParser_INTERNAL(void *network, void *log, int v) {
    PASS(three, createNvOnnxParser_INTERNAL, network, log, v);
}
void *createNvOnnxParserRefitter_INTERNAL(void *r, void *log, int v) {
    PASS(three, createNvOnnxParserRefitter_INTERNAL, r, log, v);
}
int getNvOnnxParserVersion(void) { PASS(version, getNvOnnxParserVersion); }
#else
_Bool initLibNvInferPlugins(void *log, const char *space) { (void)log; (void)space; return 1; }
#endif
