/*
 * Split virtqueues, the device's side. [virtio 1.2 2.7]
 *
 * Invariants
 * 1. Ring addresses are checked against guest RAM when the queue is enabled (and after a load); a
 *    queue whose check failed is never live.
 * 2. Nothing in guest memory is looked at twice: indices and descriptors are copied in, then the
 *    copies are checked.
 * 3. A chain that vq_pop() hands out has at most VQ_MAX_CHAIN buffers, every one of them inside
 *    guest RAM and of the right kind, readable ones before writable ones. Anything else is -EPROTO
 *    and the device needs a reset; a chain is never half good.
 * 4. `inuse` chains are popped and not yet published; never more than the queue's size. When it is
 *    zero last_avail == used_idx.
 * 5. Used elements are visible before the used index that covers them, and the index before the
 *    decision whether to interrupt.
 * 6. A queue that is not live hands out nothing. A reset waits until `inuse` is zero, so publishing
 *    always goes to checked rings that the driver still owns.
 *
 * Everything runs under the device's lock.
 */
#ifndef DOPPEL_DEV_VIRTIO_QUEUE_H
#define DOPPEL_DEV_VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/addr.h"
#include "base/compiler.h"
#include "mem/guest_mem.h"
#include "state/state.h"

enum {
    VQ_MAX_SIZE = 256,
    VQ_MAX_CHAIN = 256, /* descriptors of one chain, indirect ones included */
};

#define VQUEUE_STATE(S, A, B, N)                                                                   \
    S(uint16_t, size) /* a power of two */                                                         \
    S(bool, enabled)  /* the driver finished setting it up */                                      \
    S(uint64_t, desc)                                                                              \
    S(uint64_t, avail)                                                                             \
    S(uint64_t, used)                                                                              \
    S(uint16_t, last_avail) /* next available entry to take */                                     \
    S(uint16_t, used_idx)   /* next used entry to fill */

struct vqueue {
    STATE_MEMBERS(VQUEUE_STATE)
    struct guest_mem *mem;
    uint16_t max_size; /* what the device offers; 0: there is no such queue */
    bool live;         /* enabled, driver ready, device not paused, failed or in reset */
    bool event_idx;    /* VIRTIO_F_RING_EVENT_IDX negotiated */
    bool indirect;     /* VIRTIO_F_RING_INDIRECT_DESC negotiated */
    uint16_t inuse;
    uint16_t seen_avail; /* the driver's index when last looked at; may be ahead of last_avail */
    uint16_t signalled;  /* used_idx at the last vq_should_interrupt() */
    bool signalled_valid;
};

extern const struct state_desc vqueue_state;

/* A request: nout buffers to read from, then nin buffers to write to. */
struct vq_chain {
    uint16_t head;
    uint16_t nout, nin;
    uint64_t out_len, in_len; /* bytes */
    struct iovec iov[VQ_MAX_CHAIN];
    gpa_t gpa[VQ_MAX_CHAIN]; /* where each iov lies in the guest, for gpa_wrote */
};

/* Power-on values; `mem` and `max_size` stay. */
void vq_reset(struct vqueue *vq);
/* Size, alignment and RAM under the rings. 0 or -EINVAL. */
int vq_check(const struct vqueue *vq) must_check;

/* 1: `c` filled; 0: nothing there or not live; -EPROTO: the driver broke the rules. */
int vq_pop(struct vqueue *vq, struct vq_chain *c) must_check;
/* Give back the last `n` popped chains as if they had not been popped. */
void vq_unpop(struct vqueue *vq, unsigned n);

/* Fill the used element `ahead` places after the next one, then publish `n` of them together.
 * `written`: bytes put into the chain's writable part. */
void vq_fill(struct vqueue *vq, unsigned ahead, uint16_t head, uint32_t written);
void vq_publish(struct vqueue *vq, unsigned n);
void vq_push(struct vqueue *vq, uint16_t head, uint32_t written);

/* Whether the driver wants an interrupt for what was published since it was last asked. */
bool vq_should_interrupt(struct vqueue *vq);

/* While draining, ask for no notifications (a hint). */
void vq_notify_off(struct vqueue *vq);
/* Ask for a notification of the next chain after those the last vq_pop() saw (some of which may
 * have been given back). True: there is one already, so go on popping. */
bool vq_notify_on(struct vqueue *vq);

/* Copy from the readable part at `off`, or to the writable part; returns how many bytes fitted. */
size_t vq_read(const struct vq_chain *c, uint64_t off, void *buf, size_t len);
size_t vq_write(struct guest_mem *mem, const struct vq_chain *c, uint64_t off, const void *buf,
                size_t len);
/* Mark the first `len` bytes of the writable part written (after I/O by the kernel). */
void vq_wrote(struct guest_mem *mem, const struct vq_chain *c, uint64_t len);

/* Point `iov` (VQ_MAX_CHAIN places) at `len` bytes from `off` of the readable (`in` false) or
 * writable part. Returns the number of iovecs; the caller has checked that the range fits. */
int vq_slice(const struct vq_chain *c, bool in, uint64_t off, uint64_t len, struct iovec *iov);

#endif
