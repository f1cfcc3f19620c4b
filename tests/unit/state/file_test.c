/* The container: round trip with RAM, streams, and every way a file can be wrong. */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "base/endian.h"
#include "state/file.h"
#include "state/format.h"

#define PAGE   GUEST_PAGE_SIZE
#define CONFIG "{\"memory\":\"4M\"}"

#define CHIP_STATE(S, A, B, N) S(uint32_t, reg) S(bool, on)

struct chip {
    STATE_MEMBERS(CHIP_STATE)
};

extern const struct state_desc chip_state;
#define STATE_OWNER struct chip
STATE_DESC(chip_state, "chip", 1, CHIP_STATE);
#undef STATE_OWNER

/* A machine of two chips and three slots of memory, the last one ROM. */
struct machine {
    struct guest_mem mem;
    struct chip chips[2];
    uint64_t clock, realtime;
    unsigned loaded, reports, cancel_after;
};

static void machine_init(struct machine *v)
{
    *v = (struct machine){.cancel_after = UINT32_MAX};
    assert_int_equal(guest_mem_init(&v->mem, 4097 * PAGE, NULL), 0);
    assert_int_equal(guest_mem_add_slot(&v->mem, 0, 3000 * PAGE, false, NULL), 0);
    assert_int_equal(guest_mem_add_slot(&v->mem, 8000 * PAGE, 1096 * PAGE, false, NULL), 0);
    assert_int_equal(guest_mem_add_slot(&v->mem, 20000 * PAGE, PAGE, true, NULL), 0);
}

static gpa_t page_address(unsigned i)
{
    return i < 3000 ? i * PAGE : i < 4096 ? (i + 5000) * PAGE : 20000 * PAGE;
}

/* Pages of noise, of text, of zeroes that were written, and untouched ones. */
static void machine_fill(struct machine *v)
{
    uint8_t b[PAGE];
    uint32_t seed = 1;
    for (unsigned i = 0; i <= 4096; i++) {
        if (i % 1000 > 300 && i < 4096)
            continue;
        memset(b, i % 3 == 1 ? 'a' + (int)(i % 26) : 0, sizeof(b));
        for (unsigned k = 0; i % 3 == 0 && k < sizeof(b); k++)
            b[k] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
        assert_int_equal(gpa_write_rom(&v->mem, page_address(i), b, sizeof(b)), 0);
    }
    v->chips[0] = (struct chip){.reg = 0x12345678, .on = true};
    v->chips[1] = (struct chip){.reg = 42};
    v->clock = 987654321;
}

static void expect_same(const struct machine *a, const struct machine *b)
{
    uint8_t pa[PAGE], pb[PAGE];
    for (unsigned i = 0; i <= 4096; i++) {
        assert_int_equal(gpa_read(&a->mem, page_address(i), pa, PAGE), 0);
        assert_int_equal(gpa_read(&b->mem, page_address(i), pb, PAGE), 0);
        assert_memory_equal(pa, pb, PAGE);
    }
    assert_true(state_equal(&chip_state, &a->chips[0], &b->chips[0], NULL, 0));
    assert_true(state_equal(&chip_state, &a->chips[1], &b->chips[1], NULL, 0));
    assert_true(a->clock == b->clock);
}

static int on_progress(void *opaque, uint64_t done, uint64_t total)
{
    struct machine *v = opaque;
    assert_true(done <= total && total == 4097 * PAGE);
    return v->reports++ >= v->cancel_after;
}

static int save(struct machine *v, int fd, struct error *err)
{
    struct state_out *o;
    int rc = state_out_open(&o, fd, CONFIG, err);
    if (rc)
        return rc;
    if (!rc)
        rc = state_out_clock(o, v->clock, err);
    for (int i = 0; !rc && i < 2; i++)
        rc = state_out_section(o, i ? "chip1" : "chip0", &chip_state, &v->chips[i], err);
    if (!rc)
        rc = state_out_ram(o, &v->mem, on_progress, v, err);
    if (!rc)
        rc = state_out_finish(o, err);
    state_out_close(o);
    return rc;
}

static int on_clock(void *opaque, uint64_t guest_ns, uint64_t realtime_ns, struct error *err)
{
    struct machine *v = opaque;
    (void)err;
    v->clock = guest_ns;
    v->realtime = realtime_ns;
    return 0;
}

static int on_section(void *opaque, const char *id, const uint8_t *body, size_t len,
                      struct error *err)
{
    struct machine *v = opaque;
    if (strcmp(id, "chip0") && strcmp(id, "chip1"))
        return error_set(err, EINVAL, "no such device");
    v->loaded++;
    return state_load(body, len, &chip_state, &v->chips[id[4] - '0'], err);
}

static const struct state_in_ops machine_ops = {on_clock, on_section, on_progress};

static int load(struct machine *v, int fd, struct error *err)
{
    struct state_in *in;
    int rc = state_in_open(&in, fd, err);
    if (rc)
        return rc;
    assert_string_equal(state_in_config(in), CONFIG);
    rc = state_in_load(in, &machine_ops, v, &v->mem, err);
    state_in_close(in);
    return rc;
}

/* A file with one page of RAM; *size and the returned bytes. */
static uint8_t *small_file(size_t *size)
{
    struct machine a;
    uint8_t one = 1;
    int fd = memfd_create("file", MFD_CLOEXEC);
    machine_init(&a);
    assert_int_equal(gpa_write(&a.mem, 5 * PAGE, &one, 1), 0);
    assert_int_equal(save(&a, fd, NULL), 0);
    *size = (size_t)lseek(fd, 0, SEEK_CUR);
    uint8_t *p = malloc(*size);
    assert_int_equal(pread(fd, p, *size, 0), *size);
    guest_mem_destroy(&a.mem);
    close(fd);
    return p;
}

/* Two machines, one to save and one to load, a file between them, and a small one as bytes. */
struct fixture {
    struct machine a, b;
    int fd;
    uint8_t *file;
    size_t size;
};

static int setup(void **state)
{
    static struct fixture f;
    machine_init(&f.a);
    machine_init(&f.b);
    f.fd = memfd_create("file", MFD_CLOEXEC);
    f.file = small_file(&f.size);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    guest_mem_destroy(&f->a.mem);
    guest_mem_destroy(&f->b.mem);
    free(f->file);
    return close(f->fd);
}

static void round_trip(void **state)
{
    struct fixture *f = *state;
    struct error e = {""};
    uint8_t junk[PAGE];
    machine_fill(&f->a);
    assert_int_equal(save(&f->a, f->fd, &e), 0);
    off_t size = lseek(f->fd, 0, SEEK_CUR);
    /* A third of the pages that were written is noise, the rest costs next to nothing. */
    assert_in_range(size, 1200 / 3 * PAGE, 1200 / 3 * PAGE + 200000);
    assert_true(f->a.reports > 4);

    memset(junk, 0xee, sizeof(junk));
    assert_int_equal(gpa_write(&f->b.mem, 2 * PAGE, junk, PAGE), 0);   /* zero in the file */
    assert_int_equal(gpa_write(&f->b.mem, 500 * PAGE, junk, PAGE), 0); /* not in the file */
    assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
    assert_int_equal(load(&f->b, f->fd, &e), 0);
    expect_same(&f->a, &f->b);
    assert_int_equal(f->b.loaded, 2);
    assert_true(f->b.realtime > UINT64_C(1600000000) * 1000000000);
}

struct sender {
    struct machine *v;
    int fd, rc;
};

static void *send_state(void *opaque)
{
    struct sender *s = opaque;
    s->rc = save(s->v, s->fd, NULL);
    close(s->fd);
    return NULL;
}

static void through_a_pipe(void **state)
{
    struct fixture *f = *state;
    int p[2];
    pthread_t t;
    machine_fill(&f->a);
    assert_int_equal(pipe(p), 0);
    struct sender s = {.v = &f->a, .fd = p[1]};
    pthread_create(&t, NULL, send_state, &s);
    assert_int_equal(load(&f->b, p[0], NULL), 0);
    pthread_join(t, NULL);
    assert_int_equal(s.rc, 0);
    expect_same(&f->a, &f->b);
    close(p[0]);
}

static void saving_does_not_grow_the_machine(void **state)
{
    struct fixture *f = *state;
    uint64_t count;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_int_equal(save(&f->a, fd, NULL), 0);
    assert_int_equal(guest_mem_next_used(&f->a.mem, &f->a.mem.slots[0], 0, &count), 3000);
    close(fd);
}

/* ---- wrong files ---- */

static int file_of(const void *data, size_t len)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    assert_int_equal(write(fd, data, len), len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static void expect_refused(struct machine *v, const void *data, size_t len, const char *sentence)
{
    struct error e = {""};
    int fd = file_of(data, len);
    int rc = load(v, fd, &e);
    assert_true(rc < 0);
    if (sentence)
        assert_string_equal(e.text, sentence);
    assert_true(e.text[0]);
    close(fd);
}

static void foreign_files(void **state)
{
    struct fixture *f = *state;
    expect_refused(&f->b, "", 0, "this is not a saved machine");
    expect_refused(&f->b,
                   "\x7f"
                   "ELF",
                   4, "this is not a saved machine");
    expect_refused(&f->b, "#!/bin/sh\nexit 0\n", 17, "this is not a saved machine");
    expect_refused(&f->b, STATE_MAGIC, 8, "the state file is cut off: it ends too early");
}

static void other_version(void **state)
{
    struct fixture *f = *state;
    uint8_t *p = f->file;
    le_store32(p + 8, 9);
    expect_refused(&f->b, p, f->size, "the state file is damaged (checksum of the file header)");
    le_store32(p + 12, (uint32_t)crc32_z(0, p, 12));
    expect_refused(&f->b, p, f->size,
                   "the state file has format version 9, this program reads version 1");
}

static void every_truncation(void **state)
{
    struct fixture *f = *state;
    uint8_t *p = f->file;
    for (size_t n = 8; n < f->size; n++)
        expect_refused(&f->b, p, n, "the state file is cut off: it ends too early");
}

static void every_flipped_byte(void **state)
{
    struct fixture *f = *state;
    uint8_t *p = f->file;
    for (size_t n = 0; n < f->size; n++) {
        p[n] ^= 0x10;
        expect_refused(&f->b, p, f->size, NULL);
        p[n] ^= 0x10;
    }
}

/* Where record `n` starts. */
static size_t record_at(const uint8_t *p, unsigned n)
{
    size_t at = FILE_HEADER_SIZE;
    while (n--)
        at += RECORD_HEADER_SIZE + le_load64(p + at + 8);
    return at;
}

static void rechecksum(uint8_t *record)
{
    size_t len = le_load64(record + 8);
    le_store32(record + 16, (uint32_t)crc32_z(0, record + RECORD_HEADER_SIZE, len));
    le_store32(record + 20, (uint32_t)crc32_z(0, record, 20));
}

/* Records: 0 CONF, 1 CLCK, 2 and 3 SECT, 4 RMAP, 5 RDAT, 6 END. With right checksums, so that what
 * they guard is looked at. */
static void well_signed_nonsense(void **state)
{
    struct fixture *f = *state;
    static const struct {
        unsigned record, offset;
        uint32_t value;
        const char *sentence;
    } cases[] = {
        {2, 0, TAG_CLOCK, "the state file is damaged (record too long)"},
        {2, 0, 1234, "the state file is damaged (unknown kind of record)"},
        {1, 0, TAG_CONFIG, "the state file is damaged (record in the wrong place)"},
        {0, 24, 0, "the state file is damaged (configuration is not text)"},
        {4, 4, 9, "the state file is damaged (records out of order)"},
        {2, 12, 1, "the state file is damaged (record too long)"},
        {2, 24, 0xffffffff, "the state file is damaged: the data ends in the middle of a field"},
        {3, 29, 0x39706968, "saved state of 'chip1': it holds a 'ship', not a 'chip'"},
        {4, 24, 17, "the state file is damaged (memory map)"},
        {4, 28, 4096,
         "the saved machine had 0xbb8000 bytes of memory at 0x1000 where this one has "
         "0xbb8000 at 0x0"},
        {5, 24, 3, "the state file is damaged (memory)"},
        {5, 28, 257, "the state file is damaged (memory)"},
        {5, 28, 0, "the state file is damaged (memory)"},
        {5, 32, 3000, "the state file is damaged (memory)"},
        {5, 36, 0xffffffff, "the state file is damaged (memory)"},
        {5, 40, 0, "the state file is damaged (compressed memory)"},
        {5, 40, 7, "the state file is damaged (compressed memory)"},
        {5, 44, 0, "the state file is damaged (compressed memory)"},
        {5, 76, 0, "the state file is damaged (compressed memory)"},
        {6, 24, 5, "the state file is damaged (end marker)"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t size;
        uint8_t *p = small_file(&size);
        uint8_t *record = p + record_at(p, cases[i].record);
        if (cases[i].record == 3)
            memcpy(memmem(record, 100, "\4chip\1", 6), "\4ship", 5);
        else
            le_store32(record + cases[i].offset, cases[i].value);
        if (cases[i].offset != 12) /* a length that is wrong must not be followed */
            rechecksum(record);
        else
            le_store32(record + 20, (uint32_t)crc32_z(0, record, 20));
        expect_refused(&f->b, p, size, cases[i].sentence);
        free(p);
    }
}

static void missing_parts(void **state)
{
    struct fixture *f = *state;
    struct state_out *o;
    struct error e;
    assert_int_equal(state_out_open(&o, f->fd, CONFIG, NULL), 0);
    assert_int_equal(state_out_clock(o, 1, NULL), 0);
    assert_int_equal(state_out_finish(o, NULL), 0);
    state_out_close(o);
    assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
    assert_int_equal(load(&f->b, f->fd, &e), -EINVAL);
    assert_string_equal(e.text, "the state file is damaged (parts are missing)");
}

static void unknown_device(void **state)
{
    struct fixture *f = *state;
    struct state_out *o;
    struct error e;
    assert_int_equal(state_out_open(&o, f->fd, CONFIG, NULL), 0);
    assert_int_equal(state_out_section(o, "floppy0", &chip_state, &f->b.chips[0], NULL), 0);
    state_out_close(o);
    assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
    assert_int_equal(load(&f->b, f->fd, &e), -EINVAL);
    assert_string_equal(e.text, "saved state of 'floppy0': no such device");
}

static void cancelled(void **state)
{
    struct fixture *f = *state;
    struct error e;
    machine_fill(&f->a);
    f->a.cancel_after = 2;
    assert_int_equal(save(&f->a, f->fd, &e), -ECANCELED);
    assert_string_equal(e.text, "saving was cancelled");
    assert_int_equal(ftruncate(f->fd, 0), 0);
    assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
    f->a.cancel_after = UINT32_MAX;
    assert_int_equal(save(&f->a, f->fd, &e), 0);
    f->b.cancel_after = 1;
    assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
    assert_int_equal(load(&f->b, f->fd, &e), -ECANCELED);
}

static void disk_full(void **state)
{
    struct fixture *f = *state;
    struct error e;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(save(&f->a, fd, &e), -ENOSPC);
    assert_string_equal(e.text, "cannot write the machine's state: No space left on device");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(through_a_pipe, setup, teardown),
        cmocka_unit_test_setup_teardown(saving_does_not_grow_the_machine, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_files, setup, teardown),
        cmocka_unit_test_setup_teardown(other_version, setup, teardown),
        cmocka_unit_test_setup_teardown(every_truncation, setup, teardown),
        cmocka_unit_test_setup_teardown(every_flipped_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(well_signed_nonsense, setup, teardown),
        cmocka_unit_test_setup_teardown(missing_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_device, setup, teardown),
        cmocka_unit_test_setup_teardown(cancelled, setup, teardown),
        cmocka_unit_test_setup_teardown(disk_full, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
