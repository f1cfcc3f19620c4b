/*
 * Requests on raw images, for every cache mode; run once on io_uring and once on worker threads.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/loop.h>
#include <linux/seccomp.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/cmocka_all.h"

#include "backend/block/raw.h"
#include "scratch.h"

enum { SIZE = 4 << 20 };

static int setup(void **state)
{
    *state = malloc(sizeof(struct scratch));
    return scratch_setup(*state, SIZE);
}

static int teardown(void **state)
{
    scratch_teardown(*state);
    free(*state);
    return 0;
}

static void expect_pattern(const uint8_t *p, uint64_t offset, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i] != scratch_byte(offset + i)) {
            fail_msg("byte %zu after offset %llu differs", i, (unsigned long long)offset);
        }
    }
}

static void expect_all(const uint8_t *p, uint8_t byte, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i] != byte) {
            fail_msg("byte %zu is %02x, not %02x", i, p[i], byte);
        }
    }
}

/* Run `test` on the scratch disk in each cache mode. */
static void each_cache(struct scratch *s, void (*test)(struct scratch *s, struct blk_backend *b))
{
    static const enum blk_cache modes[] = {BLK_CACHE_WRITEBACK, BLK_CACHE_NONE, BLK_CACHE_UNSAFE};

    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        struct blk_backend *b =
            scratch_open(s, &(struct blk_options){.path = s->path, .cache = modes[i]});
        test(s, b);
        b->ops->close(b);
    }
}

static void the_right_driver_runs(void **state)
{
    struct scratch *s = *state;
    struct blk_backend *b = scratch_open(s, &(struct blk_options){.path = s->path});
    const char *no = getenv("DOPPEL_NO_URING");

    printf("driver: %s\n", raw_driver_name(b));
    if (no) {
        assert_string_equal(raw_driver_name(b), "threads");
    }
    b->ops->close(b);
}

/* In a child, as there is no way back: io_uring_setup answers EPERM, as in many containers. */
static void forbid_uring(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = {ARRAY_SIZE(code), code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) != 0) {
        _exit(77);
    }
}

static int read_without_uring(struct scratch *s)
{
    struct blk_options o = {.path = s->path};
    struct blk_backend *b;
    uint8_t buf[512];

    forbid_uring();
    if (evloop_create(&s->loop, "child-io", &s->err) != 0 || evloop_start(s->loop, &s->err) != 0 ||
        blk_open(&b, &o, s->loop, &s->err) != 0) {
        return 1;
    }
    if (strcmp(raw_driver_name(b), "threads") != 0) {
        return 2;
    }
    return scratch_io(b, BLK_READ, buf, 512, 512) == 0 && buf[0] == scratch_byte(512) ? 0 : 3;
}

static void threads_run_where_uring_is_refused(void **state)
{
    int status;

    pid_t pid = fork();
    if (pid == 0) {
        _exit(read_without_uring(*state));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        skip();
    }
    assert_int_equal(status, 0);
}

/* Aligned, misaligned in memory, misaligned on disk, and odd vectors. */
static void check_transfers(struct scratch *s, struct blk_backend *b)
{
    uint8_t *buf = aligned_alloc(4096, 65536);

    (void)s;
    assert_int_equal(scratch_io(b, BLK_READ, buf, 8192, 65536), 0);
    expect_pattern(buf, 8192, 65536);
    memset(buf, 0x5a, 65536);
    assert_int_equal(scratch_io(b, BLK_WRITE, buf, 1 << 20, 65536), 0);
    assert_int_equal(scratch_io(b, BLK_WRITE, buf + 1, (1 << 20) + 65536, 512), 0);
    assert_int_equal(scratch_io(b, BLK_WRITE, buf + 3, (1 << 20) - 7, 7), 0);
    assert_int_equal(scratch_io(b, BLK_FLUSH, NULL, 0, 0), 0);
    memset(buf, 0, 65536);
    struct iovec iov[] = {{buf + 1, 3}, {buf + 100, 0}, {buf + 101, 1021}, {buf + 4099, 512}};
    assert_int_equal(scratch_iov(b, BLK_READ, iov, 4, 1 << 20), 0);
    expect_all(buf + 1, 0x5a, 3);
    expect_all(buf + 101, 0x5a, 1021);
    expect_all(buf + 4099, 0x5a, 512);
    assert_int_equal(scratch_io(b, BLK_READ, buf + 5, (1 << 20) - 9, 18), 0);
    expect_pattern(buf + 5, (1 << 20) - 9, 2);
    expect_all(buf + 7, 0x5a, 16);
    assert_int_equal(scratch_io(b, BLK_READ, buf, (1 << 20) + 65536, 1024), 0);
    expect_all(buf, 0x5a, 512);
    expect_pattern(buf + 512, (1 << 20) + 65536 + 512, 512);
    for (unsigned i = 0; i < 65536; i++) {
        buf[i] = scratch_byte(i);
    }
    for (uint64_t off = (1 << 20) - 65536; off < (1 << 20) + 3 * 65536; off += 65536) {
        for (unsigned i = 0; i < 65536; i++) {
            buf[i] = scratch_byte(off + i);
        }
        assert_int_equal(scratch_io(b, BLK_WRITE, buf, off, 65536), 0);
    }
    free(buf);
}

static void transfers_are_exact(void **state)
{
    each_cache(*state, check_transfers);
}

static void check_limits(struct scratch *s, struct blk_backend *b)
{
    uint8_t buf[1024];

    (void)s;
    assert_int_equal(scratch_io(b, BLK_READ, buf, SIZE, 512), -EINVAL);
    assert_int_equal(scratch_io(b, BLK_WRITE, buf, SIZE - 512, 1024), -EINVAL);
    assert_int_equal(scratch_io(b, BLK_READ, buf, UINT64_MAX - 511, 512), -EINVAL);
    assert_int_equal(scratch_io(b, BLK_DISCARD, NULL, 0, UINT64_MAX), -EINVAL);
    assert_int_equal(scratch_io(b, BLK_WRITE_ZEROES, NULL, SIZE + 512ull, 0), -EINVAL);
    assert_int_equal(scratch_io(b, BLK_READ, buf, SIZE, 0), 0);
    assert_int_equal(scratch_io(b, BLK_READ, buf, SIZE - 512, 512), 0);
    struct iovec iov = {buf, 512};
    struct blk_request r = {.op = BLK_READ, .len = 1024, .iov = &iov, .niov = 1};
    assert_int_equal(b->ops->submit(b, &r), -EINVAL);
}

static void requests_outside_are_refused(void **state)
{
    each_cache(*state, check_limits);
}

static void a_readonly_disk_stays_as_it_is(void **state)
{
    struct scratch *s = *state;
    struct blk_backend *b =
        scratch_open(s, &(struct blk_options){.path = s->path, .readonly = true});
    uint8_t buf[512];

    assert_int_equal(scratch_io(b, BLK_WRITE, buf, 0, 512), -EROFS);
    assert_int_equal(scratch_io(b, BLK_DISCARD, NULL, 0, 512), -EROFS);
    assert_int_equal(scratch_io(b, BLK_WRITE_ZEROES, NULL, 0, 512), -EROFS);
    assert_int_equal(scratch_io(b, BLK_FLUSH, NULL, 0, 0), 0);
    assert_int_equal(scratch_io(b, BLK_READ, buf, 0, 512), 0);
    expect_pattern(buf, 0, 512);
    b->ops->close(b);
}

static void check_zeroing(struct scratch *s, struct blk_backend *b)
{
    uint8_t *buf = aligned_alloc(4096, 16384);
    struct stat st;

    memset(buf, 0xee, 16384);
    assert_int_equal(scratch_io(b, BLK_WRITE, buf, 2 << 20, 16384), 0);
    assert_int_equal(scratch_io(b, BLK_WRITE_ZEROES, NULL, (2 << 20) + 512, 4096), 0);
    assert_int_equal(scratch_io(b, BLK_READ, buf, 2 << 20, 16384), 0);
    expect_all(buf, 0xee, 512);
    expect_all(buf + 512, 0, 4096);
    expect_all(buf + 4608, 0xee, 16384 - 4608);
    assert_true(b->can_discard);
    assert_int_equal(scratch_io(b, BLK_DISCARD, NULL, 2 << 20, 16384), 0);
    assert_int_equal(scratch_io(b, BLK_READ, buf, 2 << 20, 16384), 0);
    expect_all(buf, 0, 16384);
    assert_int_equal(scratch_io(b, BLK_DISCARD, NULL, SIZE - 512, 512), 0);
    assert_int_equal(stat(s->path, &st), 0);
    assert_int_equal(st.st_size, SIZE);
    free(buf);
}

static void discard_and_zeroes_work(void **state)
{
    each_cache(*state, check_zeroing);
}

static void check_zero_by_writing(struct scratch *s, struct blk_backend *b)
{
    uint8_t *buf = aligned_alloc(4096, 2 << 20);
    struct raw *raw = container_of(b, struct raw, base);

    (void)s;
    /* As on a file system that knows neither: everything but plain writes was refused before. */
    atomic_store(&raw->unsupported, ~(1u << 4));
    assert_int_equal(scratch_io(b, BLK_WRITE_ZEROES, NULL, 512, (2 << 20) - 1024), 0);
    assert_int_equal(scratch_io(b, BLK_DISCARD, NULL, SIZE - 512, 512), 0);
    assert_int_equal(scratch_io(b, BLK_READ, buf, 0, 2 << 20), 0);
    expect_pattern(buf, 0, 512);
    expect_all(buf + 512, 0, (2 << 20) - 1024);
    expect_pattern(buf + (2 << 20) - 512, (2 << 20) - 512, 512);
    assert_int_equal(scratch_io(b, BLK_READ, buf, SIZE - 512, 512), 0);
    expect_pattern(buf, SIZE - 512, 512);
    free(buf);
}

static void zeroes_are_written_where_nothing_else_works(void **state)
{
    each_cache(*state, check_zero_by_writing);
}

static void check_shrunk(struct scratch *s, struct blk_backend *b)
{
    uint8_t *buf = aligned_alloc(4096, 8192);

    assert_int_equal(truncate(s->path, SIZE - 4096), 0);
    assert_int_equal(scratch_io(b, BLK_READ, buf, SIZE - 4096, 4096), -EIO);
    assert_int_equal(scratch_io(b, BLK_READ, buf, SIZE - 8192, 8192), -EIO);
    assert_int_equal(scratch_io(b, BLK_READ, buf, SIZE - 8192, 4096), 0);
    assert_int_equal(truncate(s->path, SIZE), 0);
    free(buf);
}

static void reading_a_shrunk_file_is_an_error(void **state)
{
    each_cache(*state, check_shrunk);
}

static void a_failed_flush_is_never_forgotten(void **state)
{
    struct scratch *s = *state;
    struct blk_backend *b = scratch_open(s, &(struct blk_options){.path = s->path});
    struct raw *raw = container_of(b, struct raw, base);
    int pipe_fds[2], good = raw->img.fd;

    assert_int_equal(pipe(pipe_fds), 0);
    raw->img.fd = pipe_fds[0]; /* fdatasync answers EINVAL */
    assert_int_equal(scratch_io(b, BLK_FLUSH, NULL, 0, 0), -EINVAL);
    raw->img.fd = good;
    assert_int_equal(scratch_io(b, BLK_FLUSH, NULL, 0, 0), -EIO);
    b->ops->close(b);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void more_pieces_than_a_system_call_takes(void **state)
{
    enum { PIECES = 2500 };
    struct scratch *s = *state;
    struct iovec iov[PIECES];
    uint8_t *buf = malloc(PIECES * 512);

    for (int i = 0; i < PIECES; i++) {
        iov[i] = (struct iovec){buf + i * 512, 512};
    }
    for (int direct = 0; direct < 2; direct++) {
        enum blk_cache cache = direct ? BLK_CACHE_NONE : BLK_CACHE_WRITEBACK;
        struct blk_backend *b =
            scratch_open(s, &(struct blk_options){.path = s->path, .cache = cache});
        memset(buf, 0, PIECES * 512);
        assert_int_equal(scratch_iov(b, BLK_READ, iov, PIECES, 512), 0);
        expect_pattern(buf, 512, PIECES * 512);
        b->ops->close(b);
    }
    free(buf);
}

struct batch {
    _Atomic int done, failed;
    struct evloop *loop;
};

static void batch_done(struct blk_request *r, int result)
{
    struct batch *b = r->opaque;

    assert_true(evloop_on_thread(b->loop));
    b->failed += result != 0;
    b->done++;
}

/* 64 writes, then 64 reads at once: every one completes once, and none gets another's data. */
static void check_concurrency(struct scratch *s, struct blk_backend *b)
{
    enum { N = 64, LEN = 12288 };
    struct batch batch = {.loop = s->loop};
    struct blk_request r[N];
    struct iovec iov[N];
    uint8_t *buf = aligned_alloc(4096, N * LEN);

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++) {
            /* Some of them misaligned, so that with O_DIRECT exclusive writes mix in. */
            uint64_t off = (uint64_t)i * LEN + (i % 5 == 0 ? 100 : 0);
            size_t len = i % 5 == 0 ? LEN - 100 : LEN;
            memset(buf + i * LEN, round == 0 ? i + 1 : 0, LEN);
            iov[i] = (struct iovec){buf + i * LEN, len};
            r[i] = (struct blk_request){.op = round == 0 ? BLK_WRITE : BLK_READ,
                                        .offset = off,
                                        .len = len,
                                        .iov = &iov[i],
                                        .niov = 1,
                                        .done = batch_done,
                                        .opaque = &batch};
            assert_int_equal(b->ops->submit(b, &r[i]), 0);
        }
        b->ops->drain(b);
        assert_int_equal(batch.done, (round + 1) * N);
        assert_int_equal(batch.failed, 0);
    }
    for (int i = 0; i < N; i++) {
        expect_all(buf + i * LEN, (uint8_t)(i + 1), iov[i].iov_len);
    }
    free(buf);
}

static void many_requests_at_once(void **state)
{
    each_cache(*state, check_concurrency);
}

static void cancel_done(struct blk_request *r, int result)
{
    struct batch *b = r->opaque;

    b->failed += result == -ECANCELED;
    b->done++;
}

/* More requests than the driver takes at once, and the disk closed over them. */
static void closing_completes_everything(void **state)
{
    enum { N = 700 };
    struct scratch *s = *state;
    struct batch batch = {.loop = s->loop};
    struct blk_request *r = calloc(N, sizeof(*r));
    uint8_t *buf = malloc(N * 512);
    struct iovec *iov = calloc(N, sizeof(*iov));
    struct blk_backend *b = scratch_open(s, &(struct blk_options){.path = s->path});

    for (int i = 0; i < N; i++) {
        iov[i] = (struct iovec){buf + i * 512, 512};
        r[i] = (struct blk_request){.op = BLK_READ,
                                    .offset = (uint64_t)i * 512,
                                    .len = 512,
                                    .iov = &iov[i],
                                    .niov = 1,
                                    .done = cancel_done,
                                    .opaque = &batch};
        assert_int_equal(b->ops->submit(b, &r[i]), 0);
        if (i == N / 2) {
            evloop_stop(s->loop); /* as at the end of a machine */
        }
    }
    b->ops->close(b);
    assert_int_equal(batch.done, N);
    assert_true(batch.failed >= N - N / 2 - 1);
    free(iov);
    free(buf);
    free(r);
}

/* A loop device over the scratch file, or -1 where that is not allowed. */
static int attach_loop(struct scratch *s, char *path, size_t len)
{
    int ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int n = ctl < 0 ? -1 : ioctl(ctl, LOOP_CTL_GET_FREE);
    int file = open(s->path, O_RDWR | O_CLOEXEC);
    int dev = -1;

    if (n >= 0) {
        snprintf(path, len, "/dev/loop%d", n);
        dev = open(path, O_RDWR | O_CLOEXEC);
    }
    struct loop_config cfg = {.fd = (uint32_t)file, .block_size = 4096};
    if (dev >= 0 && ioctl(dev, LOOP_CONFIGURE, &cfg) < 0) {
        close(dev);
        dev = -1;
    }
    close(file);
    if (ctl >= 0) {
        close(ctl);
    }
    return dev;
}

static void check_device(struct scratch *s, const char *path, enum blk_cache cache)
{
    struct blk_backend *b = scratch_open(s, &(struct blk_options){.path = path, .cache = cache});
    uint8_t *buf = aligned_alloc(4096, 16384);

    assert_int_equal(b->size, SIZE);
    assert_int_equal(b->block_size, 4096);
    memset(buf, 0x77, 16384);
    assert_int_equal(scratch_io(b, BLK_WRITE, buf, 0, 16384), 0);
    assert_int_equal(scratch_io(b, BLK_WRITE_ZEROES, NULL, 4096, 4096), 0);
    assert_int_equal(scratch_io(b, BLK_WRITE_ZEROES, NULL, 512, 1024), 0);
    assert_int_equal(scratch_io(b, BLK_DISCARD, NULL, 12288, 4096), 0);
    assert_int_equal(scratch_io(b, BLK_DISCARD, NULL, 512, 512), 0);
    assert_int_equal(scratch_io(b, BLK_FLUSH, NULL, 0, 0), 0);
    assert_int_equal(scratch_io(b, BLK_READ, buf, 0, 12288), 0);
    expect_all(buf, 0x77, 512);
    expect_all(buf + 512, 0, 1024);
    expect_all(buf + 1536, 0x77, 4096 - 1536);
    expect_all(buf + 4096, 0, 4096);
    expect_all(buf + 8192, 0x77, 4096);
    free(buf);
    b->ops->close(b);
}

static void block_devices_work(void **state)
{
    struct scratch *s = *state;
    char path[32];
    int dev = attach_loop(s, path, sizeof(path));

    if (dev < 0) {
        skip();
    }
    check_device(s, path, BLK_CACHE_WRITEBACK);
    check_device(s, path, BLK_CACHE_NONE);
    ioctl(dev, LOOP_CLR_FD);
    close(dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_right_driver_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_run_where_uring_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(transfers_are_exact, setup, teardown),
        cmocka_unit_test_setup_teardown(requests_outside_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_readonly_disk_stays_as_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(discard_and_zeroes_work, setup, teardown),
        cmocka_unit_test_setup_teardown(zeroes_are_written_where_nothing_else_works, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(reading_a_shrunk_file_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_flush_is_never_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(more_pieces_than_a_system_call_takes, setup, teardown),
        cmocka_unit_test_setup_teardown(many_requests_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_completes_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(block_devices_work, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
