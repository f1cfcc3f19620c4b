/*
 * Input of a console from a descriptor to the guest, no faster than the guest takes it. All on the
 * loop's thread except where said.
 */
#ifndef DOPPEL_BACKEND_CHAR_INPUT_H
#define DOPPEL_BACKEND_CHAR_INPUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/char/chr.h"

enum { CHR_INPUT_BYTES = 4096 };

struct chr_input;

struct chr_input_ops {
    /* Take out of what was read (in place) what is not for the guest; how much is left. May be
     * NULL. */
    size_t (*filter)(struct chr_input *in, uint8_t *buf, size_t len);
    /* The descriptor has come to its end, or failed with `error`; true: try again in half a
     * second. May be NULL: then that is that. */
    bool (*ended)(struct chr_input *in, int error);
};

struct chr_input {
    struct chr_backend *b;
    struct evloop *loop;
    const struct chr_input_ops *ops;
    int fd; /* the owner's; -1: none */
    /* Go on reading, for the filter's sake, while the guest takes nothing; what exceeds `kept` is
     * lost. For people at terminals: their keys must work whatever the guest does. */
    bool lossy;
    bool watching;
    bool always_ready;    /* a file: epoll refuses it, reading never blocks */
    _Atomic bool blocked; /* the guest has not taken all of `kept` */
    _Atomic bool closing;
    struct evloop_timer resume; /* started for "now" by rx_ready */
    size_t len;                 /* of `kept` */
    uint8_t kept[CHR_INPUT_BYTES];
};

void chr_input_init(struct chr_input *in, struct chr_backend *b, struct evloop *l,
                    const struct chr_input_ops *ops);
/* Read from `fd`, which stays the caller's. Any thread that is the only one to use `in`. */
int chr_input_attach(struct chr_input *in, int fd) must_check;
void chr_input_detach(struct chr_input *in);
/* Any thread: the guest has room. */
void chr_input_rx_ready(struct chr_input *in);
/* Any thread: no callback runs any more when this returns. */
void chr_input_stop(struct chr_input *in);

#endif
