/* The event loop: descriptors, posts, timers, sync, removal races, stop. */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/evloop.h"

#define MS UINT64_C(1000000)

static void nap(uint64_t ns)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)ns}, NULL);
}

/* Wait for a condition that the loop's thread will make true. */
#define WAIT_FOR(cond)                                                                             \
    do {                                                                                           \
        for (unsigned n_ = 0; !(cond) && n_ < 5000; n_++)                                          \
            nap(MS);                                                                               \
        assert_true(cond);                                                                         \
    } while (0)

static int setup(void **state)
{
    struct evloop *l;
    struct error e;
    assert_int_equal(evloop_create(&l, "test", &e), 0);
    assert_int_equal(evloop_start(l, &e), 0);
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    evloop_destroy(*state);
    return 0;
}

struct counter {
    struct evloop *loop;
    struct evloop_timer timer;
    _Atomic unsigned n;
    _Atomic uint64_t when;
    _Atomic bool on_thread;
    int fd;
};

static void count(void *opaque)
{
    struct counter *c = opaque;
    atomic_store(&c->when, mono_ns());
    atomic_store(&c->on_thread, evloop_on_thread(c->loop));
    atomic_fetch_add(&c->n, 1);
}

static void posts_run_on_the_thread(void **state)
{
    struct counter c = {.loop = *state};
    assert_false(evloop_on_thread(c.loop));
    for (int i = 0; i < 100; i++)
        assert_int_equal(evloop_post(c.loop, count, &c), 0);
    evloop_sync(c.loop);
    assert_int_equal(atomic_load(&c.n), 100);
    assert_true(atomic_load(&c.on_thread));
}

static void timer_fires_once_and_not_early(void **state)
{
    struct counter c = {.loop = *state};
    evloop_timer_init(&c.timer, c.loop, count, &c);
    uint64_t due = mono_ns() + 3 * MS;
    evloop_timer_start(&c.timer, due);
    WAIT_FOR(atomic_load(&c.n));
    assert_true(atomic_load(&c.when) >= due);
    nap(5 * MS);
    assert_int_equal(atomic_load(&c.n), 1);
    evloop_timer_start(&c.timer, 0); /* the past */
    WAIT_FOR(atomic_load(&c.n) == 2);
}

static void timer_moves_and_stops(void **state)
{
    struct counter c = {.loop = *state};
    evloop_timer_init(&c.timer, c.loop, count, &c);
    evloop_timer_start(&c.timer, mono_ns() + 2 * MS);
    evloop_timer_start(&c.timer, mono_ns() + 3600000 * MS); /* out */
    nap(8 * MS);
    assert_int_equal(atomic_load(&c.n), 0);
    evloop_timer_start(&c.timer, mono_ns() + 2 * MS); /* and back in */
    WAIT_FOR(atomic_load(&c.n) == 1);
    evloop_timer_start(&c.timer, mono_ns() + 2 * MS);
    evloop_timer_stop(&c.timer);
    evloop_timer_start(&c.timer, UINT64_MAX);
    nap(8 * MS);
    assert_int_equal(atomic_load(&c.n), 1);
}

static void timers_fire_in_order(void **state)
{
    struct counter c[10];
    uint64_t now = mono_ns();
    for (int i = 0; i < 10; i++) {
        c[i] = (struct counter){.loop = *state};
        evloop_timer_init(&c[i].timer, c[i].loop, count, &c[i]);
    }
    for (unsigned i = 0; i < 10; i++)
        evloop_timer_start(&c[i * 7 % 10].timer, now + (2 + i * 7 % 10) * MS);
    WAIT_FOR(atomic_load(&c[9].n));
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(atomic_load(&c[i].n), 1);
        assert_true(!i || atomic_load(&c[i].when) > atomic_load(&c[i - 1].when));
    }
}

static void rearm(void *opaque)
{
    struct counter *c = opaque;
    if (atomic_fetch_add(&c->n, 1) < 50)
        evloop_timer_start(&c->timer, 0);
}

static void timer_rearms_itself(void **state)
{
    struct counter c = {.loop = *state};
    evloop_timer_init(&c.timer, c.loop, rearm, &c);
    evloop_timer_start(&c.timer, 0);
    WAIT_FOR(atomic_load(&c.n) == 51);
}

static void read_counter(void *opaque, uint32_t events)
{
    struct counter *c = opaque;
    uint64_t v;
    assert_true(events & EPOLLIN);
    if (read(c->fd, &v, sizeof(v)) == sizeof(v))
        atomic_fetch_add(&c->n, (unsigned)v);
}

static void add_to(int fd, uint64_t v)
{
    assert_int_equal(write(fd, &v, sizeof(v)), sizeof(v));
}

static void descriptors(void **state)
{
    struct counter c = {.loop = *state, .fd = eventfd(0, EFD_NONBLOCK)};
    assert_int_equal(evloop_fd_add(c.loop, c.fd, EPOLLIN, read_counter, &c), 0);
    assert_int_equal(evloop_fd_add(c.loop, c.fd, EPOLLIN, read_counter, &c), -EEXIST);
    add_to(c.fd, 3);
    WAIT_FOR(atomic_load(&c.n) == 3);
    assert_int_equal(evloop_fd_mod(c.loop, c.fd, 0), 0);
    add_to(c.fd, 1);
    evloop_sync(c.loop);
    assert_int_equal(atomic_load(&c.n), 3);
    assert_int_equal(evloop_fd_mod(c.loop, c.fd, EPOLLIN), 0);
    WAIT_FOR(atomic_load(&c.n) == 4);
    evloop_fd_del(c.loop, c.fd);
    evloop_fd_del(c.loop, c.fd);
    evloop_sync(c.loop);
    add_to(c.fd, 1);
    evloop_sync(c.loop);
    assert_int_equal(atomic_load(&c.n), 4);
    assert_int_equal(evloop_fd_mod(c.loop, c.fd, EPOLLIN), -ENOENT);
    assert_int_equal(evloop_fd_add(c.loop, -1, EPOLLIN, read_counter, &c), -EBADF);
    close(c.fd);
}

/* Two descriptors ready in one round; whoever runs first removes both. */
struct pair {
    struct evloop *loop;
    int fd[2];
    _Atomic unsigned n;
};

static void remove_both(void *opaque, uint32_t events)
{
    struct pair *p = opaque;
    (void)events;
    evloop_fd_del(p->loop, p->fd[0]);
    evloop_fd_del(p->loop, p->fd[1]);
    atomic_fetch_add(&p->n, 1);
}

static void add_pair(void *opaque)
{
    struct pair *p = opaque;
    for (int i = 0; i < 2; i++)
        assert_int_equal(evloop_fd_add(p->loop, p->fd[i], EPOLLIN, remove_both, p), 0);
}

static void removed_in_the_same_round(void **state)
{
    struct pair p = {.loop = *state, .fd = {eventfd(1, 0), eventfd(1, 0)}};
    assert_int_equal(evloop_post(p.loop, add_pair, &p), 0);
    WAIT_FOR(atomic_load(&p.n));
    evloop_sync(p.loop);
    assert_int_equal(atomic_load(&p.n), 1);
    close(p.fd[0]);
    close(p.fd[1]);
}

/* stop + sync from outside: the owner may free at once. Meaningful under a sanitizer. */
static void free_after_stop_and_sync(void **state)
{
    for (int i = 0; i < 200; i++) {
        struct counter *c = calloc(1, sizeof(*c));
        c->loop = *state;
        evloop_timer_init(&c->timer, c->loop, count, c);
        evloop_timer_start(&c->timer, mono_ns() + (uint64_t)(i % 20) * 5000);
        if (i % 3 == 0)
            sched_yield();
        evloop_timer_stop(&c->timer);
        evloop_sync(c->loop);
        free(c);
    }
}

static void post_again(void *opaque)
{
    struct counter *c = opaque;
    if (atomic_fetch_add(&c->n, 1) == 0)
        assert_int_equal(evloop_post(c->loop, post_again, c), 0);
}

static void stop_runs_what_was_posted(void **state)
{
    struct counter c = {.loop = *state};
    assert_int_equal(evloop_post(c.loop, post_again, &c), 0);
    evloop_stop(c.loop);
    assert_int_equal(atomic_load(&c.n), 2);
    /* Afterwards nothing runs and nothing hangs. */
    assert_int_equal(evloop_post(c.loop, post_again, &c), 0);
    evloop_sync(c.loop);
    evloop_stop(c.loop);
    assert_int_equal(atomic_load(&c.n), 2);
    assert_false(evloop_on_thread(c.loop));
}

static void never_started(void **state)
{
    (void)state;
    struct evloop *l;
    assert_int_equal(evloop_create(&l, "a name that is much too long", NULL), 0);
    evloop_sync(l);
    evloop_destroy(l);
    evloop_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(posts_run_on_the_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(timer_fires_once_and_not_early, setup, teardown),
        cmocka_unit_test_setup_teardown(timer_moves_and_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(timers_fire_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(timer_rearms_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(descriptors, setup, teardown),
        cmocka_unit_test_setup_teardown(removed_in_the_same_round, setup, teardown),
        cmocka_unit_test_setup_teardown(free_after_stop_and_sync, setup, teardown),
        cmocka_unit_test_setup_teardown(stop_runs_what_was_posted, setup, teardown),
        cmocka_unit_test(never_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
