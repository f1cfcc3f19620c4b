/* Descriptors: round trip, comparison, listing, and every way a body can be wrong. */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "state/state.h"

#define POINT_STATE(S, A, B, N) S(uint16_t, x) S(int32_t, y)

struct point {
    STATE_MEMBERS(POINT_STATE)
    char host_only[5];
};

static int point_post_load(void *obj, struct error *err)
{
    const struct point *p = obj;
    return p->x == 666 ? error_set(err, EINVAL, "x must not be 666") : 0;
}

extern const struct state_desc point_state;
#define STATE_OWNER struct point
STATE_DESC(point_state, "point", 3, POINT_STATE, .post_load = point_post_load);
#undef STATE_OWNER

#define THING_STATE(S, A, B, N)                                                                    \
    S(bool, on)                                                                                    \
    S(uint64_t, big)                                                                               \
    A(uint32_t, regs, 3)                                                                           \
    A(bool, flags, 2)                                                                              \
    B(fifo, 20)                                                                                    \
    N(struct point, pts, 2, point_state)                                                           \
    N(struct point, one, 1, point_state)

struct thing {
    void *host_pointer;
    STATE_MEMBERS(THING_STATE)
    unsigned saves, loads;
};

static void thing_pre_save(void *obj)
{
    ((struct thing *)obj)->saves++;
}

static int thing_post_load(void *obj, struct error *err)
{
    (void)err;
    ((struct thing *)obj)->loads++;
    return 0;
}

extern const struct state_desc thing_state;
#define STATE_OWNER struct thing
STATE_DESC(thing_state, "thing", 7, THING_STATE, .pre_save = thing_pre_save,
           .post_load = thing_post_load);
#undef STATE_OWNER

static void fill(struct thing *t)
{
    *t = (struct thing){.on = true,
                        .big = UINT64_C(0x1122334455667788),
                        .regs = {1, 0xdeadbeef, 3},
                        .flags = {false, true},
                        .fifo = "hello",
                        .pts = {{.x = 1, .y = -2}, {.x = 3, .y = 4}},
                        .one = {{.x = 5, .y = 6}}};
}

/* A saved thing and where its body is. */
struct saved {
    struct state_writer w;
    struct state_section s;
};

static void save(struct saved *v)
{
    struct thing t;
    size_t pos = 0;
    fill(&t);
    *v = (struct saved){0};
    state_save(&v->w, "thing0", &thing_state, &t);
    assert_int_equal(v->w.err, 0);
    assert_int_equal(t.saves, 1);
    assert_int_equal(state_next_section(v->w.buf, v->w.len, &pos, &v->s, NULL), 1);
    assert_int_equal(state_next_section(v->w.buf, v->w.len, &pos, &v->s, NULL), 0);
    assert_string_equal(v->s.id, "thing0");
}

static void round_trip(void **state)
{
    (void)state;
    struct thing want, got = {.host_pointer = &got};
    struct saved v;
    char what[100];
    fill(&want);
    save(&v);
    assert_int_equal(state_load(v.s.body, v.s.len, &thing_state, &got, NULL), 0);
    assert_true(state_equal(&thing_state, &want, &got, what, sizeof(what)));
    assert_string_equal(what, "");
    assert_int_equal(got.pts[0].y, -2);
    assert_ptr_equal(got.host_pointer, &got);
    assert_int_equal(got.loads, 1);
    state_writer_free(&v.w);
}

static void differences_are_named(void **state)
{
    (void)state;
    struct thing a, b;
    char what[100];
    fill(&a);
    fill(&b);
    b.saves = 99;
    b.pts[0].host_only[0] = 'x';
    assert_true(state_equal(&thing_state, &a, &b, NULL, 0));
    b.pts[1].y = 5;
    assert_false(state_equal(&thing_state, &a, &b, what, sizeof(what)));
    assert_string_equal(what, "pts[1].y: 0x4 != 0x5");
    b.fifo[1] = 'a';
    assert_false(state_equal(&thing_state, &a, &b, what, sizeof(what)));
    assert_string_equal(what, "fifo[1]: 0x65 != 0x61");
    b.big++;
    assert_false(state_equal(&thing_state, &a, &b, what, sizeof(what)));
    assert_string_equal(what, "big: 0x1122334455667788 != 0x1122334455667789");
    assert_false(state_equal(&thing_state, &a, &b, NULL, 0));
    b.on = false;
    assert_false(state_equal(&thing_state, &a, &b, what, 4));
    assert_string_equal(what, "on:");
}

static void collect(void *opaque, const char *line)
{
    strcat(opaque, line);
    strcat(opaque, "\n");
}

static void listing(void **state)
{
    (void)state;
    struct thing t;
    char text[2000] = "";
    fill(&t);
    t.fifo[19] = 0xff;
    state_dump(&thing_state, &t, collect, text);
    assert_string_equal(text, "on = 0x1\n"
                              "big = 0x1122334455667788\n"
                              "regs[0] = 0x1\n"
                              "regs[1] = 0xdeadbeef\n"
                              "regs[2] = 0x3\n"
                              "flags[0] = 0x0\n"
                              "flags[1] = 0x1\n"
                              "fifo[0] = 68 65 6c 6c 6f 00 00 00 00 00 00 00 00 00 00 00\n"
                              "fifo[16] = 00 00 00 ff\n"
                              "pts[0].x = 0x1\n"
                              "pts[0].y = 0xfffffffe\n"
                              "pts[1].x = 0x3\n"
                              "pts[1].y = 0x4\n"
                              "one.x = 0x5\n"
                              "one.y = 0x6\n");
}

static void expect_refused(const struct saved *v, const char *sentence)
{
    struct thing t, before;
    struct error e = {""};
    memset(&t, 0x55, sizeof(t));
    before = t;
    assert_int_equal(state_load(v->s.body, v->s.len, &thing_state, &t, &e), -EINVAL);
    assert_string_equal(e.text, sentence);
    assert_memory_equal(&t, &before, sizeof(t));
}

/* Patch the `n` bytes `from` that occur once in the body. */
static void patch(struct saved *v, const char *from, const char *to, size_t n)
{
    uint8_t *p = memmem(v->s.body, v->s.len, from, n);
    assert_non_null(p);
    memcpy(p, to, n);
}

static void wrong_bodies(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        size_t n;
        const char *sentence;
    } cases[] = {
        {"thing", "thong", 5, "it holds a 'thong', not a 'thing'"},
        {"thing\7", "thing\x8", 6, "version 8 of 'thing' is not the one known here (7)"},
        {"big", "bog", 3, "field 'bog' is not known here"},
        {"\3big", "\2on\0", 4, "field 'on' is there twice"},
        {"big", "b\ng", 3, "a name in it is not text"},
        {"regs\0\4\0\0\0\3", "regs\0\4\0\0\0\2", 10, "field 'regs' has another size here"},
        {"regs\0\4", "regs\0\x8", 6, "field 'regs' has another size here"},
        {"regs\0", "regs\1", 5, "field 'regs' has another size here"},
        {"big\0\x8\0\0\0\1\0\0\0\x8", "big\0\x8\0\0\0\1\0\0\0\x7", 13,
         "field 'big': the data ends in the middle of a field"},
        {"big\0\x8\0\0\0\1\0\0\0\x8", "big\0\x8\0\0\0\1\0\0\0\x9", 13,
         "field 'big': it is longer than it says"},
        {"on\3\1\0\0\0\1\0\0\0\1\0\0\0\1", "on\3\1\0\0\0\1\0\0\0\1\0\0\0\2", 16,
         "field 'on': it is neither true nor false"},
        {"flags\3\1\0\0\0\2\0\0\0\2\0\0\0\0", "flags\3\1\0\0\0\2\0\0\0\2\0\0\0\xff", 19,
         "field 'flags': it is neither true nor false"},
        {"point\3", "point\4", 6,
         "field 'pts': version 4 of 'point' is not the one known here (3)"},
        {"point\3\0\0\0\2", "point\3\0\0\0\3", 10, "field 'pts': 'point' has 2 fields here, not 3"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct saved v;
        save(&v);
        patch(&v, cases[i].from, cases[i].to, cases[i].n);
        expect_refused(&v, cases[i].sentence);
        state_writer_free(&v.w);
    }
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    struct saved v;
    struct thing t;
    struct error e;
    save(&v);
    for (size_t n = 0; n < v.s.len; n++) {
        uint8_t *exact = malloc(n + !n); /* so that a sanitizer sees one byte too many */
        memcpy(exact, v.s.body, n);
        assert_int_equal(state_load(exact, n, &thing_state, &t, &e), -EINVAL);
        free(exact);
    }
    uint8_t *more = calloc(1, v.s.len + 1);
    memcpy(more, v.s.body, v.s.len);
    assert_int_equal(state_load(more, v.s.len + 1, &thing_state, &t, &e), -EINVAL);
    assert_string_equal(e.text, "there is more behind the last field of 'thing'");
    free(more);
    state_writer_free(&v.w);
}

static void post_load_refuses(void **state)
{
    (void)state;
    struct state_writer w = {0};
    struct state_section s;
    struct point p = {.x = 666}, q = {0};
    struct error e;
    size_t pos = 0;
    state_save(&w, "p", &point_state, &p);
    assert_int_equal(state_next_section(w.buf, w.len, &pos, &s, NULL), 1);
    assert_int_equal(state_load(s.body, s.len, &point_state, &q, &e), -EINVAL);
    assert_string_equal(e.text, "x must not be 666");
    state_writer_free(&w);
}

static void bad_sections(void **state)
{
    (void)state;
    struct state_section s;
    size_t pos = 0;
    assert_int_equal(state_next_section((const uint8_t *)"\1\0\0", 3, &pos, &s, NULL), -EINVAL);
    assert_int_equal(state_next_section((const uint8_t *)"\5\0\0\0\1a", 6, &pos, &s, NULL),
                     -EINVAL);
    assert_int_equal(state_next_section((const uint8_t *)"\2\0\0\0\2a", 6, &pos, &s, NULL),
                     -EINVAL);
    uint8_t long_id[64] = {60, 0, 0, 0, 40};
    memset(long_id + 5, 'a', 59);
    assert_int_equal(state_next_section(long_id, 64, &pos, &s, NULL), -EINVAL);
    assert_int_equal(pos, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(differences_are_named),
        cmocka_unit_test(listing),
        cmocka_unit_test(wrong_bodies),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(post_load_refuses),
        cmocka_unit_test(bad_sections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
