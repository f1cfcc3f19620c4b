/* The one-register devices: debug exit, port 0x92, diagnostic port, debug console. */
#include "unit/cmocka_all.h"

#include "dev/legacy/debug_exit.h"
#include "dev/legacy/debugcon.h"
#include "dev/legacy/finisher.h"
#include "dev/legacy/port92.h"
#include "unit/fake/machine.h"

static void test_debug_exit(void **state)
{
    struct fake_machine m;
    struct dev *d;

    (void)state;
    fake_machine_init(&m);
    assert_int_equal(debug_exit_create(&d, &m.host, DEBUG_EXIT_PORT), 0);
    outb(&m, 0xf4, 0x21);
    assert_int_equal(m.event_value, 0x21);
    out_size(&m, 0xf4, 4, 0x12345678);
    assert_int_equal(m.event_value, 0x12345678);
    assert_int_equal(m.events[MACHINE_DEBUG_EXIT], 2);
    outb(&m, 0xf5, 1);
    assert_int_equal(m.events[MACHINE_DEBUG_EXIT], 2);
    assert_int_equal(inb(&m, 0xf4), 0xff);
    fake_destroy(d);
    fake_machine_destroy(&m);
}

static void test_port92(void **state)
{
    struct fake_machine m;
    struct port92 *p;

    (void)state;
    fake_machine_init(&m);
    assert_int_equal(port92_create(&p, &m.host), 0);
    assert_int_equal(inb(&m, 0x92), 2);
    outb(&m, 0x92, 0);
    assert_int_equal(inb(&m, 0x92), 2); /* A20 stays open */
    outb(&m, 0x92, 1);
    outb(&m, 0x92, 1);
    assert_int_equal(m.events[MACHINE_RESET], 1);
    outb(&m, 0x80, 0xaa);
    assert_int_equal(inb(&m, 0x80), 0xaa);
    fake_reset(&p->dev);
    assert_int_equal(inb(&m, 0x80), 0);
    fake_destroy(&p->dev);
    fake_machine_destroy(&m);
}

static void test_finisher(void **state)
{
    struct fake_machine m;
    struct dev *d;

    (void)state;
    fake_machine_init(&m);
    assert_int_equal(finisher_create(&d, &m.host, 0x100000), 0);
    io_space_write(&m.mmio, 0x100000, 4, 0x1234);
    io_space_write(&m.mmio, 0x100004, 4, FINISHER_PASS);
    assert_int_equal(m.events[MACHINE_POWER_OFF], 0);
    io_space_write(&m.mmio, 0x100000, 2, FINISHER_PASS);
    assert_int_equal(m.events[MACHINE_POWER_OFF], 1);
    io_space_write(&m.mmio, 0x100000, 4, FINISHER_RESET);
    assert_int_equal(m.events[MACHINE_RESET], 1);
    io_space_write(&m.mmio, 0x100000, 4, 42 << 16 | FINISHER_FAIL);
    assert_int_equal(m.events[MACHINE_EXIT], 1);
    assert_int_equal(m.event_value, 42);
    fake_destroy(d);
    fake_machine_destroy(&m);
}

static char written[8];

static void chr_write(struct chr_backend *b, const uint8_t *buf, size_t len)
{
    (void)b;
    (void)len;
    written[0] = (char)buf[0];
}

static void test_debugcon(void **state)
{
    static const struct chr_backend_ops ops = {.name = "fake", .write = chr_write};
    struct chr_backend chr = {.ops = &ops};
    struct fake_machine m;
    struct dev *d;

    (void)state;
    fake_machine_init(&m);
    assert_int_equal(debugcon_create(&d, &m.host, 0xe9, &chr), 0);
    assert_string_equal(d->id, "debugcon-e9");
    outb(&m, 0xe9, 'x');
    assert_int_equal(written[0], 'x');
    assert_int_equal(inb(&m, 0xe9), 0xe9);
    fake_destroy(d);
    fake_machine_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_debug_exit),
        cmocka_unit_test(test_finisher),
        cmocka_unit_test(test_port92),
        cmocka_unit_test(test_debugcon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
