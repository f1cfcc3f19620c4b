/*
 * Output to descriptors that take their time, of each kind.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/cmocka_all.h"

#include "backend/char/output.h"
#include "console.h"

struct fixture {
    struct evloop *loop;
    struct chr_output out;
    struct error err;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_int_equal(evloop_create(&f->loop, "test-io", &f->err), 0);
    assert_int_equal(evloop_start(f->loop, &f->err), 0);
    chr_output_init(&f->out, f->loop);
    signal(SIGPIPE, SIG_IGN);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    chr_output_detach(&f->out);
    evloop_destroy(f->loop);
    chr_output_destroy(&f->out);
    free(f);
    return 0;
}

/* fds[0] reads what is written to fds[1], which is attached. */
static void attach(struct fixture *f, enum chr_output_kind kind, int fds[2])
{
    if (kind == CHR_OUTPUT_SOCKET) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    } else {
        assert_int_equal(pipe2(fds, kind == CHR_OUTPUT_FD ? O_NONBLOCK : 0), 0);
    }
    chr_output_attach(&f->out, fds[1], kind);
}

static void write_numbers(struct fixture *f, unsigned from, unsigned n)
{
    for (unsigned i = from; i < from + n; i++) {
        assert_int_equal(chr_output_write(&f->out, (uint8_t *)&i, sizeof(i)), 0);
    }
}

static void expect_numbers(int fd, unsigned from, unsigned n)
{
    for (unsigned i = from; i < from + n; i++) {
        unsigned got;
        assert_true(console_read(fd, (char *)&got, sizeof(got)));
        assert_int_equal(got, i);
    }
}

/* Far more than the descriptor and the ring hold: what does get through is whole and in order, and
 * nothing blocks. */
static void check_kind(struct fixture *f, enum chr_output_kind kind)
{
    enum { MANY = 200000, KEPT = CHR_OUTPUT_BYTES / sizeof(unsigned) };
    int fds[2];

    attach(f, kind, fds);
    write_numbers(f, 0, MANY);
    expect_numbers(fds[0], 0, KEPT);
    chr_output_detach(&f->out);
    close(fds[0]);
    attach(f, kind, fds);
    write_numbers(f, 0, 10);
    expect_numbers(fds[0], 0, 10);
    close(fds[0]);
    unsigned lost = 0;
    int rc = chr_output_write(&f->out, (uint8_t *)&lost, sizeof(lost));
    assert_int_equal(rc, -EPIPE);
    assert_int_equal(chr_output_write(&f->out, (uint8_t *)&lost, sizeof(lost)), 0);
}

static void nonblocking(void **state)
{
    check_kind(*state, CHR_OUTPUT_FD);
}

static void sockets(void **state)
{
    check_kind(*state, CHR_OUTPUT_SOCKET);
}

static void shared(void **state)
{
    check_kind(*state, CHR_OUTPUT_BLOCKING);
}

static void flushing_gives_up_after_a_second(void **state)
{
    struct fixture *f = *state;
    int fds[2];

    attach(f, CHR_OUTPUT_FD, fds);
    write_numbers(f, 0, 30000);
    uint64_t start = mono_ns();
    chr_output_flush(&f->out);
    uint64_t took = mono_ns() - start;
    assert_true(took > 900000000u && took < 3000000000u);
    close(fds[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nonblocking, setup, teardown),
        cmocka_unit_test_setup_teardown(sockets, setup, teardown),
        cmocka_unit_test_setup_teardown(shared, setup, teardown),
        cmocka_unit_test_setup_teardown(flushing_gives_up_after_a_second, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
