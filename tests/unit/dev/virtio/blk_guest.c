/* A guest with a virtio disk. */
#include "unit/dev/virtio/blk_guest.h"

#include "unit/cmocka_all.h"

#include <stdlib.h>

struct blk_guest *blk_start(bool mmio, bool msix, uint64_t features, bool readonly)
{
    struct blk_guest *f = calloc(1, sizeof(*f));
    struct virtio_blk_config cfg = {.serial = "serial-0123456789abcdef"};
    struct virtio_dev *v;
    struct error err;

    guest_init(&f->g);
    fake_blk_init(&f->disk);
    f->disk.b.readonly = readonly;
    cfg.backend = &f->disk.b;
    assert_int_equal(virtio_blk_create(&v, &f->g.host, "virtio-blk0", &cfg, &err), 0);
    f->d.msix = msix;
    f->g.doorbells = msix;
    driver_attach(&f->d, &f->g, v, mmio);
    if (features)
        assert_true(driver_start(&f->d, features));
    return f;
}

void blk_finish(struct blk_guest *f)
{
    f->disk.hold = false;
    fake_blk_release(&f->disk);
    driver_detach(&f->d);
    assert_true(f->disk.closed);
    guest_destroy(&f->g);
    free(f);
}

void blk_request(struct blk_guest *f, uint32_t type, uint64_t sector, uint32_t len, unsigned pieces)
{
    uint32_t header[4] = {type, 0, (uint32_t)sector, (uint32_t)(sector >> 32)};
    uint16_t flags = type == 0 || type == 8 ? G_NEXT | G_WRITE : G_NEXT;
    uint8_t none = 0xff;

    g_put(&f->g, HEADER, header, sizeof(header));
    g_put(&f->g, STATUS, &none, 1);
    driver_desc(&f->d, 0, 0, (struct g_desc){HEADER, 16, G_NEXT, 1});
    for (unsigned i = 0; i < pieces; i++)
        driver_desc(
            &f->d, 0, 1 + i,
            (struct g_desc){DATA + i * (len / pieces), len / pieces, flags, (uint16_t)(2 + i)});
    driver_desc(&f->d, 0, 1 + pieces, (struct g_desc){STATUS, 1, G_WRITE, 0});
    driver_avail(&f->d, 0, 0);
    driver_kick(&f->d, 0);
}

uint8_t blk_answer(struct blk_guest *f, uint32_t *len)
{
    uint32_t id = 99;
    uint8_t status;

    assert_true(driver_used(&f->d, 0, &id, len));
    assert_int_equal(id, 0);
    g_get(&f->g, STATUS, &status, 1);
    return status;
}

uint8_t blk_ask(struct blk_guest *f, uint32_t type, uint64_t sector, uint32_t len)
{
    uint32_t used;

    blk_request(f, type, sector, len, len ? 1 : 0);
    return blk_answer(f, &used);
}
