/*
 * A guest with a virtio disk: what the tests of polite and of hostile drivers share.
 */
#ifndef DOPPEL_TESTS_BLK_GUEST_H
#define DOPPEL_TESTS_BLK_GUEST_H

#include "dev/virtio/blk.h"
#include "unit/dev/virtio/fake_blk.h"
#include "unit/dev/virtio/guest.h"

enum { HEADER = GUEST_DATA, STATUS = GUEST_DATA + 64, RANGE = GUEST_DATA + 128 };
enum { DATA = GUEST_DATA + 0x1000 };

#define F_BASE     (VIRTIO_F_VERSION_1 | (1 << 9) | (1 << 13) | (1 << 14))
#define F_ALL      (F_BASE | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX)
#define F_NO_FLUSH (F_ALL & ~(UINT64_C(1) << 9))

struct blk_guest {
    struct guest g;
    struct fake_blk disk;
    struct driver d;
};

struct blk_guest *blk_start(bool mmio, bool msix, uint64_t features, bool readonly);
void blk_finish(struct blk_guest *f);
/* Descriptors 0..: header, `len` bytes of data at DATA in `pieces`, status. */
void blk_request(struct blk_guest *f, uint32_t type, uint64_t sector, uint32_t len,
                 unsigned pieces);
/* Wait for it; returns the status byte and how much was written. */
uint8_t blk_answer(struct blk_guest *f, uint32_t *len);
uint8_t blk_ask(struct blk_guest *f, uint32_t type, uint64_t sector, uint32_t len);

#endif
