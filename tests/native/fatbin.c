/* A library that needs another one and carries CUDA fat binaries of given GPUs: entries are
   (kind, version, head, body, ..., architecture at byte 28); kind 2 is machine code, 1 is PTX. */
#include <stdint.h>
#include <stdio.h>

int speak(void) { return puts("needs libc"); }

struct entry { uint16_t kind, version; uint32_t head; uint64_t body; uint32_t a, b, c, sm; };
struct fatbin { uint32_t magic; uint16_t version, head; uint64_t body; struct entry entries[2]; };

__attribute__((section(".nv_fatbin"), aligned(8))) const struct fatbin first = {
    0xBA55ED50u, 1, 16, 2 * sizeof(struct entry),
    {{2, 257, sizeof(struct entry), 0, 0, 0, 0, 80}, {2, 257, sizeof(struct entry), 0, 0, 0, 0, 89}},
};
#ifdef PTX
__attribute__((section(".nv_fatbin"), aligned(8))) const uint64_t padding = 0;
__attribute__((section(".nv_fatbin"), aligned(8))) const struct fatbin second = {
    0xBA55ED50u, 1, 16, 2 * sizeof(struct entry),
    {{2, 257, sizeof(struct entry), 0, 0, 0, 0, 90}, {1, 257, sizeof(struct entry), 0, 0, 0, 0, 90}},
};
#endif
