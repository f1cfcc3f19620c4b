/*
 * Runs one instruction on the host with a whole register state loaded before and stored after: the
 * judge of the native thunks, which shares no code with them.
 */
#ifndef TESTS_ISA_NATIVE_HOST_H
#define TESTS_ISA_NATIVE_HOST_H

#include <stdint.h>

enum { HOST_XSAVE = 832 };

struct host_state {
    _Alignas(64) uint8_t xs[1024];
    uint64_t gpr[16];
    uint64_t rflags;
};

struct host_result {
    struct host_state s;
    int vector; /* of the exception it took, or -1 */
};

/* Once. Aborts when the host refuses. */
void host_init(void);
/* Where the instruction will stand. */
uint64_t host_insn_address(unsigned len);
void host_run(const uint8_t *insn, unsigned len, const struct host_state *in,
              struct host_result *out);

#endif
