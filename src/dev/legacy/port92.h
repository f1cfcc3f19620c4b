/*
 * System control port A (0x92): fast reset, and the A20 gate, which is always open here. Also the
 * diagnostic port 0x80, where firmware shows its progress and old kernels write to pass time.
 */
#ifndef DOPPEL_DEV_LEGACY_PORT92_H
#define DOPPEL_DEV_LEGACY_PORT92_H

#include "dev/dev.h"

#define PORT92_STATE(S, A, B, N)                                                                   \
    S(uint8_t, control)                                                                            \
    S(uint8_t, post) /* last diagnostic code */

struct port92 {
    struct dev dev;
    STATE_MEMBERS(PORT92_STATE)
};

extern const struct state_desc port92_state;

int port92_create(struct port92 **out, const struct dev_host *host) must_check;

#endif
