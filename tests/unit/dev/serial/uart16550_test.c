/* 16550A: what a driver's probe looks for, both directions, interrupts, flow control. */
#include "unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "dev/serial/uart16550.h"
#include "unit/fake/machine.h"

enum { BASE = 0x3f8, DATA = BASE, IER, IIR, LCR, MCR, LSR, MSR, SCR };

struct env {
    struct fake_machine m;
    struct uart16550 *u;
    struct fake_line irq;
    struct chr_backend chr;
    char out[256];
    size_t nout;
    unsigned ready;
};

static void chr_write(struct chr_backend *b, const uint8_t *buf, size_t len)
{
    struct env *e = container_of(b, struct env, chr);

    memcpy(e->out + e->nout, buf, len);
    e->nout += len;
}

static void chr_ready(struct chr_backend *b)
{
    container_of(b, struct env, chr)->ready++;
}

static const struct chr_backend_ops chr_ops = {
    .name = "fake", .write = chr_write, .rx_ready = chr_ready};

static int setup(void **state)
{
    struct env *e = calloc(1, sizeof(*e));

    fake_machine_init(&e->m);
    e->chr.ops = &chr_ops;
    assert_int_equal(uart16550_create(&e->u, &e->m.host, 0, BASE, fake_irq(&e->irq), &e->chr), 0);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct env *e = *state;

    fake_destroy(&e->u->dev);
    fake_machine_destroy(&e->m);
    free(e);
    return 0;
}

static size_t receive(struct env *e, const char *s)
{
    return e->chr.receive(e->chr.opaque, (const uint8_t *)s, strlen(s));
}

static void test_output(void **state)
{
    struct env *e = *state;

    assert_int_equal(inb(&e->m, LSR), 0x60);
    for (const char *s = "hello"; *s; s++)
        outb(&e->m, DATA, (uint8_t)*s);
    assert_string_equal(e->out, "hello");
    outb(&e->m, LCR, 0x80); /* the divisor is not output */
    outb(&e->m, DATA, 1);
    outb(&e->m, IER, 0);
    assert_int_equal(inb(&e->m, DATA), 1);
    outb(&e->m, LCR, 3);
    assert_int_equal(e->nout, 5);
    assert_int_equal(inb(&e->m, IER), 0);
}

static void test_probe(void **state)
{
    struct env *e = *state;

    outb(&e->m, IER, 0xff);
    assert_int_equal(inb(&e->m, IER), 0x0f);
    outb(&e->m, IER, 0);
    outb(&e->m, SCR, 0x5a);
    assert_int_equal(inb(&e->m, SCR), 0x5a);
    assert_int_equal(inb(&e->m, IIR), 0x01);
    outb(&e->m, IIR, 1);
    assert_int_equal(inb(&e->m, IIR), 0xc1); /* a 16550A */
    assert_int_equal(inb(&e->m, MSR) & 0xf0, 0xb0);
    outb(&e->m, MCR, 0x1a); /* loopback: RTS and OUT2 show as CTS and DCD */
    assert_int_equal(inb(&e->m, MSR) & 0xf0, 0x90);
    outb(&e->m, DATA, 'x');
    assert_int_equal(e->nout, 0);
    assert_int_equal(inb(&e->m, LSR) & 1, 1);
    assert_int_equal(inb(&e->m, DATA), 'x');
    for (unsigned i = 0; i < 17; i++)
        outb(&e->m, DATA, (uint8_t)i);
    assert_int_equal(inb(&e->m, LSR), 0x63); /* overrun */
    assert_int_equal(inb(&e->m, LSR), 0x61);
}

static void test_tx_interrupt(void **state)
{
    struct env *e = *state;

    outb(&e->m, IER, 2);
    assert_false(e->irq.level); /* OUT2 gates */
    outb(&e->m, MCR, 8);
    assert_true(e->irq.level);
    assert_int_equal(inb(&e->m, IIR), 2);
    assert_false(e->irq.level); /* reading it acknowledged */
    outb(&e->m, DATA, 'a');
    assert_true(e->irq.level);
    outb(&e->m, IER, 0);
    assert_false(e->irq.level);
}

static void test_rx_interrupt(void **state)
{
    struct env *e = *state;

    outb(&e->m, MCR, 8);
    outb(&e->m, IIR, 0x41); /* trigger at 4 */
    outb(&e->m, IER, 1);
    assert_int_equal(receive(e, "ab"), 2);
    assert_true(e->irq.level);
    assert_int_equal(inb(&e->m, IIR), 0xcc); /* time-out */
    assert_int_equal(receive(e, "cd"), 2);
    assert_int_equal(inb(&e->m, IIR), 0xc4);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(inb(&e->m, DATA), 'a' + i);
    assert_false(e->irq.level);
    assert_int_equal(inb(&e->m, LSR), 0x60);
    assert_int_equal(inb(&e->m, DATA), 0);
}

static void test_flow_control(void **state)
{
    struct env *e = *state;

    assert_int_equal(receive(e, "abc"), 1); /* no FIFO: one byte */
    assert_int_equal(inb(&e->m, DATA), 'a');
    assert_int_equal(e->ready, 1);
    outb(&e->m, IIR, 1);
    assert_int_equal(receive(e, "0123456789abcdefgh"), 16);
    for (unsigned i = 0; i < 15; i++)
        inb(&e->m, DATA);
    assert_int_equal(e->ready, 1);
    inb(&e->m, DATA);
    assert_int_equal(e->ready, 2);
    inb(&e->m, DATA);
    assert_int_equal(e->ready, 2);
    assert_int_equal(receive(e, "0123456789abcdefgh"), 16);
    outb(&e->m, IIR, 3); /* clearing makes room too */
    assert_int_equal(e->ready, 3);
    outb(&e->m, MCR, 0x10);
    assert_int_equal(receive(e, "x"), 0);
    outb(&e->m, MCR, 0);
    assert_int_equal(e->ready, 4);
}

static void test_modem_interrupt(void **state)
{
    struct env *e = *state;

    inb(&e->m, MSR);
    outb(&e->m, IER, 8);
    outb(&e->m, MCR, 0x18);
    assert_int_equal(inb(&e->m, IIR), 0);
    assert_int_equal(inb(&e->m, MSR), 0x83); /* CTS and DSR fell, DCD stayed */
    assert_int_equal(inb(&e->m, IIR), 1);
    outb(&e->m, MCR, 0x1c);
    assert_int_equal(inb(&e->m, MSR), 0xc0);
    outb(&e->m, MCR, 0x18);
    assert_int_equal(inb(&e->m, MSR), 0x84); /* trailing edge of RI */
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_output),       T(test_probe),        T(test_tx_interrupt),
        T(test_rx_interrupt), T(test_flow_control), T(test_modem_interrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
