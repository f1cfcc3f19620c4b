/*
 * Address spaces of translated code: reservations, fills and flushes.
 */
#include "engine/dbt/space.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/dbt/bmi.h"

#define LOG_BYTES ((2 * SPACE_LOG + SPACE_WRITERS) * sizeof(uint32_t))

/* An address that is not canonical: should the guest's stack pointer be there, accesses fault. */
#define NO_STACK (UINT64_C(1) << 62)

int space_init(struct space *s, int hot_fd, const struct space_stubs *stubs, struct error *err)
{
    *s = (struct space){.key = SPACE_UNUSED, .stubs = stubs};
    uint8_t *base = mmap(NULL, SPACE_SIZE, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return error_set(err, errno, "no address space for the translator's page tables: %s",
                         strerror(errno));
    s->base = base;
    /* A huge page for each corner of a sparse table would cost far more than it saves. */
    madvise(base, SPACE_SIZE, MADV_NOHUGEPAGE);
    if (mmap(base, GUEST_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, hot_fd, 0) ==
        MAP_FAILED)
        return error_set(err, errno, "no address space for the translator's page tables: %s",
                         strerror(errno));
    s->log = mmap(NULL, LOG_BYTES, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (s->log == MAP_FAILED) {
        s->log = NULL;
        return error_set(err, ENOMEM, "no memory for the translator's page tables");
    }
    s->local = s->log + SPACE_LOG;
    s->writers = s->local + SPACE_LOG;
    s->njumps = UINT32_MAX;
    *space_stack(s) = (struct space_stack){NO_STACK, 0};
    return 0;
}

void space_destroy(struct space *s)
{
    if (s->base)
        munmap(s->base, SPACE_SIZE);
    if (s->log)
        munmap(s->log, LOG_BYTES);
    *s = (struct space){.key = SPACE_UNUSED};
}

int space_check_room(size_t n, struct error *err)
{
    void *p = mmap(NULL, n * SPACE_SIZE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return error_set(err, ENOMEM,
                         "a limit on address space leaves no room for the translator's tables");
    munmap(p, n * SPACE_SIZE);
    return 0;
}

static struct space_entry *table_of(const struct space *s)
{
    return (struct space_entry *)(s->base + SPACE_TABLE);
}

static uint32_t *writer_of(const struct space *s, uintptr_t host)
{
    return &s->writers[host >> GUEST_PAGE_SHIFT & (SPACE_WRITERS - 1)];
}

static void note_writer(struct space *s, uintptr_t host, uint32_t index)
{
    uint32_t *w = writer_of(s, host);
    *w = *w == 0 || *w == index + 1 ? index + 1 : SPACE_SEVERAL;
}

static void forget_stack(struct space *s)
{
    *space_stack(s) = (struct space_stack){NO_STACK, 0};
}

void space_fill(struct space *s, gva_t va, struct space_entry e, bool local)
{
    struct space_entry *slot = space_entry(s, va);
    uint32_t index = (uint32_t)(slot - table_of(s));
    if (s->nlog == SPACE_LOG || s->nlocal == SPACE_LOG)
        space_clear(s);
    bool empty = !slot->read && !slot->write;
    if (empty)
        s->log[s->nlog++] = index;
    /* Another page may have stood here: perhaps a global one, which is not in this log. */
    if (local && (empty || slot->read != e.read))
        s->local[s->nlocal++] = index;
    if (!empty)
        forget_stack(s);
    *slot = e;
    if (e.write)
        note_writer(s, (va & GUEST_PAGE_MASK) + e.write, index);
}

/* The log keeps the index: it may stand there twice then, which does no harm. */
void space_drop_page(struct space *s, gva_t va)
{
    struct space_entry *e = space_entry(s, va);
    if (e->read || e->write)
        *e = (struct space_entry){0, 0};
    forget_stack(s);
}

static gva_t index_va(uint32_t index)
{
    return (gva_t)index << GUEST_PAGE_SHIFT;
}

/* The index lacks the address's upper bits, and so does the comparison. */
static void drop_write_of(struct space *s, uint32_t index, uintptr_t host)
{
    const uint64_t mask = (UINT64_C(1) << (SPACE_INDEX_BITS + GUEST_PAGE_SHIFT)) - 1;
    struct space_entry *e = &table_of(s)[index];
    if (e->write && ((index_va(index) + e->write - host) & mask) == 0)
        e->write = 0;
}

void space_drop_write(struct space *s, uintptr_t host)
{
    uint32_t writer = *writer_of(s, host);
    if (writer && writer != SPACE_SEVERAL)
        drop_write_of(s, writer - 1, host);
    for (uint32_t i = 0; writer == SPACE_SEVERAL && i < s->nlog; i++)
        drop_write_of(s, s->log[i], host);
    forget_stack(s);
}

void space_clear(struct space *s)
{
    struct space_entry *table = table_of(s);
    for (uint32_t i = 0; i < s->nlog; i++)
        table[s->log[i]] = (struct space_entry){0, 0};
    if (s->nlog)
        madvise(s->writers, SPACE_WRITERS * sizeof(s->writers[0]), MADV_DONTNEED);
    s->nlog = s->nlocal = 0;
    forget_stack(s);
}

void space_clear_local(struct space *s)
{
    struct space_entry *table = table_of(s);
    for (uint32_t i = 0; i < s->nlocal; i++)
        table[s->local[i]] = (struct space_entry){0, 0};
    s->nlocal = 0;
    forget_stack(s);
}

static unsigned jump_slot(gva_t va)
{
    return (unsigned)(bmi_pdep(bmi_crc32(va), SPACE_JUMP_MASK) / sizeof(struct space_jump));
}

static struct space_jump *jump_table(const struct space *s)
{
    return (struct space_jump *)(s->base + SPACE_JUMP_TABLE);
}

/* The slots to look at, by the log, or all of them. */
static unsigned jumps_to_visit(const struct space *s)
{
    return s->njumps <= SPACE_JUMP_LOG ? s->njumps : SPACE_JUMPS;
}

static struct space_jump *jump_to_visit(const struct space *s, unsigned i)
{
    return &jump_table(s)[s->njumps <= SPACE_JUMP_LOG ? s->jump_log[i] : i];
}

static void put_jump(struct space *s, unsigned slot, struct space_jump j)
{
    struct space_jump *to = &jump_table(s)[slot];
    if (to->code == s->stubs->miss) {
        if (s->njumps < SPACE_JUMP_LOG)
            s->jump_log[s->njumps++] = (uint16_t)slot;
        else
            s->njumps = UINT32_MAX;
    }
    *to = j;
}

static unsigned page_bit(gva_t va)
{
    uint64_t page = va >> GUEST_PAGE_SHIFT;
    return (page ^ page >> 15) & (SPACE_JUMP_PAGES - 1);
}

bool space_has_jumps(const struct space *s, gva_t va)
{
    unsigned bit = page_bit(va);
    return s->jump_pages[bit / 64] >> (bit % 64) & 1;
}

void space_jump_set(struct space *s, gva_t va, uint64_t code)
{
    unsigned slot = jump_slot(va);
    const struct space_jump now = jump_table(s)[slot];
    if (slot / 2 == SPACE_SLOT_ATTEND)
        return;
    if (now.code != s->stubs->miss && now.key != -va)
        put_jump(s, slot ^ 1, now);
    put_jump(s, slot, (struct space_jump){code, -va});
    s->jump_pages[page_bit(va) / 64] |= UINT64_C(1) << (page_bit(va) % 64);
}

uint64_t space_jump_get(const struct space *s, gva_t va)
{
    unsigned slot = jump_slot(va);
    const struct space_jump *j = &jump_table(s)[slot];
    if (slot / 2 == SPACE_SLOT_ATTEND)
        return 0;
    if (j->key != -va)
        j = &jump_table(s)[slot ^ 1];
    return j->key == -va && j->code != s->stubs->miss ? j->code : 0;
}

void space_jumps_drop_page(struct space *s, gva_t va)
{
    unsigned bit = page_bit(va), n = jumps_to_visit(s);
    bool shared = false; /* the bit, with another page */
    for (unsigned i = 0; i < n; i++) {
        struct space_jump *j = jump_to_visit(s, i);
        if (((-j->key ^ va) & GUEST_PAGE_MASK) == 0 && j->code != s->stubs->attend)
            j->code = s->stubs->miss;
        shared |= j->code != s->stubs->miss && page_bit(-j->key) == bit;
    }
    if (!shared)
        s->jump_pages[bit / 64] &= ~(UINT64_C(1) << (bit % 64));
}

void space_jumps_clear(struct space *s)
{
    unsigned n = jumps_to_visit(s);
    if (!n)
        return;
    for (unsigned i = 0; i < n; i++)
        jump_to_visit(s, i)->code = s->stubs->miss;
    jump_table(s)[SPACE_SLOT_ATTEND].code = s->stubs->attend;
    memset(s->jump_pages, 0, sizeof(s->jump_pages));
    s->njumps = 0;
    s->jumps_local = false;
}

#define ALIAS_STEP (UINT64_C(1) << (SPACE_INDEX_BITS + GUEST_PAGE_SHIFT))

static uintptr_t alias(const struct space_aliases *al, unsigned n)
{
    return al->host % ALIAS_STEP + n * ALIAS_STEP;
}

/* AddressSanitizer's shadow lies all over the address space: a stray access may hit it, in tests.
 */
#if defined(__SANITIZE_ADDRESS__)
enum { ALIASES_MUST_BE_FREE = false };
#else
enum { ALIASES_MUST_BE_FREE = true };
#endif

int space_reserve_aliases(struct space_aliases *al, uintptr_t host, uint64_t len, struct error *err)
{
    *al = (struct space_aliases){.host = host, .len = len};
    for (unsigned n = 0; n < SPACE_ALIASES; n++) {
        if (alias(al, n) == host)
            continue;
        void *got = mmap((void *)alias(al, n), len, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        if (got == MAP_FAILED && errno != ENOMEM && ALIASES_MUST_BE_FREE)
            return error_set(err, EEXIST, "this process's memory lies unluckily; try again");
        if (got != MAP_FAILED)
            al->made |= (uint16_t)(1u << n);
    }
    return 0;
}

void space_release_aliases(struct space_aliases *al)
{
    for (unsigned n = 0; n < SPACE_ALIASES; n++) {
        if (al->made >> n & 1)
            munmap((void *)alias(al, n), al->len);
    }
    al->made = 0;
}

struct space *space_take(struct space *spaces, unsigned n, uint64_t key, bool *fresh)
{
    struct space *oldest = spaces;
    *fresh = false;
    for (unsigned i = 0; i < n; i++) {
        if (spaces[i].key == key)
            return &spaces[i];
        if (spaces[i].used < oldest->used)
            oldest = &spaces[i];
    }
    space_clear(oldest);
    space_jumps_clear(oldest);
    oldest->key = key;
    *fresh = true;
    return oldest;
}
