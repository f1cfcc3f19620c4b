/* The console: bytes out, bytes in, and what happens when nobody reads. */
#include "unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "dev/virtio/console.h"
#include "unit/dev/virtio/guest.h"

enum { RX = 0, TX = 1 };

struct fake_chr {
    struct chr_backend b;
    _Atomic unsigned nwritten, nready;
    uint8_t written[16384];
    bool closed;
};

static void chr_write(struct chr_backend *b, const uint8_t *buf, size_t len)
{
    struct fake_chr *f = (struct fake_chr *)b;

    if (f->nwritten + len <= sizeof(f->written))
        memcpy(f->written + f->nwritten, buf, len);
    f->nwritten += (unsigned)len;
}

static void chr_ready(struct chr_backend *b)
{
    ((struct fake_chr *)b)->nready++;
}

static const struct chr_backend_ops chr_ops = {
    .name = "fake", .write = chr_write, .rx_ready = chr_ready};

struct fixture {
    struct guest g;
    struct driver d;
    struct fake_chr chr;
};

static struct fixture *start(bool mmio, uint64_t features)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct virtio_console_config cfg = {.cols = 80, .rows = 25};
    struct virtio_dev *v;
    struct error err;

    guest_init(&f->g);
    f->chr.b.ops = &chr_ops;
    cfg.backend = &f->chr.b;
    assert_int_equal(virtio_console_create(&v, &f->g.host, "virtio-console0", &cfg, &err), 0);
    f->d.msix = true;
    driver_attach(&f->d, &f->g, v, mmio);
    if (features)
        assert_true(driver_start(&f->d, features));
    return f;
}

static void finish(struct fixture *f)
{
    driver_detach(&f->d);
    assert_null(f->chr.b.receive);
    guest_destroy(&f->g);
    free(f);
}

static void offer(struct fixture *f, uint16_t i, uint32_t len)
{
    driver_desc(&f->d, RX, i, (struct g_desc){GUEST_DATA + 64u * i, len, G_WRITE, 0});
    driver_avail(&f->d, RX, i);
}

static size_t type(struct fixture *f, const char *text)
{
    return f->chr.b.receive(f->chr.b.opaque, (const uint8_t *)text, strlen(text));
}

static void output(void **state)
{
    uint8_t text[5000];

    (void)state;
    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)i;
    for (int mmio = 0; mmio < 2; mmio++) {
        struct fixture *f = start(mmio, VIRTIO_F_VERSION_1);
        uint32_t id, len;

        g_put(&f->g, GUEST_DATA, text, sizeof(text));
        driver_desc(&f->d, TX, 0, (struct g_desc){GUEST_DATA, 3, G_NEXT, 1});
        driver_desc(&f->d, TX, 1, (struct g_desc){GUEST_DATA + 3, sizeof(text) - 3, 0, 0});
        driver_avail(&f->d, TX, 0);
        driver_kick(&f->d, TX);
        assert_true(driver_used(&f->d, TX, &id, &len));
        assert_int_equal(len, 0);
        assert_int_equal(f->chr.nwritten, sizeof(text));
        assert_memory_equal(f->chr.written, text, sizeof(text));
        finish(f);
    }
}

/* A gigabyte of the same page over and over must not keep the loop busy. */
static void output_is_bounded(void **state)
{
    struct fixture *f = start(false, VIRTIO_F_VERSION_1);
    uint32_t id, len;

    (void)state;
    for (uint16_t i = 0; i < 8; i++)
        driver_desc(&f->d, TX, i, (struct g_desc){0, GUEST_RAM, i < 7 ? G_NEXT : 0, i + 1});
    driver_avail(&f->d, TX, 0);
    driver_kick(&f->d, TX);
    assert_true(driver_used(&f->d, TX, &id, &len));
    assert_true(f->chr.nwritten <= 1 << 20);
    finish(f);
}

static void input(void **state)
{
    struct fixture *f = start(false, VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX);
    char got[8] = {0};
    uint32_t id, len;
    unsigned ready;

    (void)state;
    assert_int_equal(type(f, "abc"), 0); /* no buffers */
    ready = f->chr.nready;
    offer(f, 0, 4);
    offer(f, 1, 4);
    driver_kick(&f->d, RX);
    assert_true(wait_count(&f->chr.nready, ready + 1));
    assert_int_equal(type(f, "abcdef"), 6);
    assert_true(driver_used(&f->d, RX, &id, &len));
    assert_int_equal(id, 0);
    assert_int_equal(len, 4);
    assert_true(driver_used(&f->d, RX, &id, &len));
    assert_int_equal(len, 2);
    g_get(&f->g, GUEST_DATA + 64, got, 2);
    assert_string_equal(got, "ef");
    assert_true(wait_count(&f->g.msi_count[1 + RX], 1));
    /* More than there is room for. */
    offer(f, 2, 4);
    assert_int_equal(type(f, "123456"), 4);
    finish(f);
}

static void input_without_driver(void **state)
{
    struct fixture *f = start(false, 0);

    (void)state;
    assert_int_equal(type(f, "abc"), 3);
    f->d.v->dev.cls->quiesce(&f->d.v->dev);
    assert_int_equal(type(f, "abc"), 0); /* paused: kept */
    f->d.v->dev.cls->resume(&f->d.v->dev);
    assert_true(wait_count(&f->chr.nready, 1));
    finish(f);
}

static void empty_receive_buffer(void **state)
{
    struct fixture *f = start(false, VIRTIO_F_VERSION_1);

    (void)state;
    offer(f, 0, 0);
    assert_int_equal(type(f, "abc"), 3);
    assert_true(driver_status(&f->d) & VIRTIO_S_NEEDS_RESET);
    assert_true(driver_start(&f->d, VIRTIO_F_VERSION_1));
    offer(f, 0, 8);
    assert_int_equal(type(f, "abc"), 3);
    finish(f);
}

static void size(void **state)
{
    struct fixture *f = start(false, 0);

    (void)state;
    assert_true(driver_offered(&f->d) & 1);
    assert_int_equal(driver_config(&f->d, 0, 2), 80);
    assert_int_equal(driver_config(&f->d, 2, 2), 25);
    finish(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output),
        cmocka_unit_test(output_is_bounded),
        cmocka_unit_test(input),
        cmocka_unit_test(input_without_driver),
        cmocka_unit_test(empty_receive_buffer),
        cmocka_unit_test(size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
