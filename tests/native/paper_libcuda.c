/* A driver's library without a GPU, beside paper_cudart.c.
   PAPER_GPUS: how many GPUs it has.  PAPER_SM: their compute capability, 90 is 9.0. */
#include <stdio.h>
#include <stdlib.h>

static int number(const char *name, int usual) {
    const char *text = getenv(name);
    return text ? atoi(text) : usual;
}
static int sm(void) { return number("PAPER_SM", 90); }

int cuInit(unsigned flags) { (void)flags; return number("PAPER_GPUS", 1) ? 0 : 100; }
int cuDriverGetVersion(int *version) { *version = 13000; return 0; }
int cuDeviceGetCount(int *count) { *count = number("PAPER_GPUS", 1); return 0; }
int cuDeviceGet(int *device, int index) { *device = index; return 0; }
int cuDeviceGetName(char *name, int size, int device) {
    snprintf(name, (size_t)size, "Paper GPU %d", device);
    return 0;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    (void)device;
    *bytes = (size_t)8 << 30;
    return 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    *value = attribute == 75 ? sm() / 10 : attribute == 76 ? sm() % 10
           : attribute == 18 ? number("PAPER_INTEGRATED", 0) : 0;
    return 0;
}
int cuTensorMapEncodeTiled(void) { return 0; }
