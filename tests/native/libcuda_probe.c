/* A driver's library that answers as its environment tells it to; for tests of the probe.
   STUB_INIT: what cuInit returns.  STUB_COUNT: how many GPUs.  STUB_DO: hang, crash, abort, chatter. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int number(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

static int does(const char *what) {
    const char *text = getenv("STUB_DO");
    return text && !strcmp(text, what);
}

int cuDriverGetVersion(int *version) { *version = 12060; return 0; }

int cuInit(unsigned flags) {
    (void)flags;
    if (does("hang")) for (;;) pause();
    if (does("crash")) raise(SIGSEGV);
    if (does("abort")) abort();
    if (does("chatter")) { puts("a line of the driver's own\n{\"half\": "); fflush(stdout); }
    return number("STUB_INIT", 0);
}

int cuDeviceGetCount(int *count) { *count = number("STUB_COUNT", 1); return 0; }
int cuDeviceGet(int *device, int index) { *device = index; return 0; }
int cuDeviceGetName(char *name, int size, int device) {
    snprintf(name, (size_t)size, "Stub %d", device);
    return 0;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    (void)device;
    *bytes = (size_t)7620 << 20;
    return 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    *value = attribute == 75 ? 8 : attribute == 76 ? 7 : attribute == 18;
    return 0;
}
