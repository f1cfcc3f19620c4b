/* The entropy device over both transports. */
#include "unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "dev/virtio/rng.h"
#include "unit/dev/virtio/guest.h"

static void delivers(void **state)
{
    (void)state;
    for (int mmio = 0; mmio < 2; mmio++) {
        struct guest *g = calloc(1, sizeof(*g));
        struct driver d = {.msix = !mmio};
        struct virtio_dev *v;
        uint8_t buf[1024] = {0};
        uint32_t id, len, zeroes = 0;
        struct error err;

        guest_init(g);
        assert_int_equal(virtio_rng_create(&v, &g->host, "virtio-rng0", &err), 0);
        driver_attach(&d, g, v, mmio);
        assert_true(driver_start(&d, VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX));
        for (unsigned i = 0; i < 50; i++) {
            g_put(g, GUEST_DATA, buf, sizeof(buf));
            driver_desc(&d, 0, i % 4, (struct g_desc){GUEST_DATA, 100 + i * 10, G_WRITE, 0});
            driver_avail(&d, 0, i % 4);
            driver_kick(&d, 0);
            assert_true(driver_used(&d, 0, &id, &len));
            assert_int_equal(id, i % 4);
            assert_int_equal(len, MIN(100 + i * 10, 256));
        }
        g_get(g, GUEST_DATA, buf, sizeof(buf));
        for (unsigned i = 0; i < 256; i++)
            zeroes += buf[i] == 0;
        assert_true(zeroes < 20);
        for (unsigned i = 256; i < sizeof(buf); i++)
            assert_int_equal(buf[i], 0);
        /* Nothing writable: used, with nothing in it. */
        driver_desc(&d, 0, 0, (struct g_desc){GUEST_DATA, 16, 0, 0});
        driver_avail(&d, 0, 0);
        driver_kick(&d, 0);
        assert_true(driver_used(&d, 0, &id, &len));
        assert_int_equal(len, 0);
        driver_detach(&d);
        guest_destroy(g);
        free(g);
    }
}

/* More chains than one turn of the event loop takes. */
static void takes_turns(void **state)
{
    struct guest *g = calloc(1, sizeof(*g));
    struct driver d = {.msix = true};
    struct virtio_dev *v;
    uint32_t id, len;
    struct error err;

    (void)state;
    guest_init(g);
    assert_int_equal(virtio_rng_create(&v, &g->host, "virtio-rng0", &err), 0);
    driver_attach(&d, g, v, false);
    assert_true(driver_start(&d, VIRTIO_F_VERSION_1));
    for (unsigned round = 0; round < 100; round++) {
        for (uint16_t i = 0; i < GUEST_QUEUE_SIZE; i++) {
            driver_desc(&d, 0, i, (struct g_desc){GUEST_DATA + 4u * i, 4, G_WRITE, 0});
            driver_avail(&d, 0, i);
        }
        driver_kick(&d, 0);
        for (unsigned i = 0; i < GUEST_QUEUE_SIZE; i++)
            assert_true(driver_used(&d, 0, &id, &len));
    }
    driver_detach(&d);
    guest_destroy(g);
    free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivers),
        cmocka_unit_test(takes_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
