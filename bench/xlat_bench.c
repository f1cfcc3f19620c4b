/*
 * What translating costs: xlat_bench [--once] [FILE] translates the executable section of an ELF
 * file (without one the C library's), block behind block, as if control always fell through, and
 * enters the blocks into a code cache. Of each page the least time of some rounds counts, so that a
 * busy machine disturbs little. --once does all of it a single time, for an instruction count that
 * no other load changes:
 *
 *     valgrind --tool=callgrind build/bench/xlat_bench --once
 */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/dbt/x86/stubs.h"
#include "engine/dbt/x86/xlat.h"

enum { ROUNDS = 7, TSC_HZ = 1000000000, CACHE_BYTES = 256 << 20 };

struct bench {
    struct x86_cpu cpu;
    struct xlat xlat;
    struct code_cache cache;
    unsigned rounds;
    double ns; /* least of all rounds, all pages together */
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* The largest executable section: .text. */
static const uint8_t *find_text(const char *path, size_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    *size = 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return NULL;
    const uint8_t *text = NULL,
                  *image = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    const Elf64_Ehdr *eh = (const void *)image;
    if (image == MAP_FAILED || memcmp(image, ELFMAG "\2", 5) != 0)
        return NULL;
    for (unsigned i = 0; i < eh->e_shnum; i++) {
        const Elf64_Shdr *sh = (const void *)(image + eh->e_shoff + i * sizeof(*sh));
        if ((sh->sh_flags & SHF_EXECINSTR) && sh->sh_size > *size) {
            text = image + sh->sh_offset;
            *size = sh->sh_size;
        }
    }
    return text;
}

/* All blocks of the page in b->xlat; false: the cache is full. */
static bool translate_page(struct bench *b, gpa_t gpa)
{
    unsigned off = 0;
    do {
        struct code_draft d = {.gpa2 = CODE_NO_PAGE};
        xlat_block(&b->xlat, &d, off, NULL);
        d.gpa = gpa + off;
        d.ctx = b->xlat.ctx;
        const struct code_place at = {.gpa = d.gpa, .gpa2 = d.gpa2, .ctx = d.ctx};
        if (!code_find(&b->cache, &at) && !code_add(&b->cache, &d))
            return false;
        off += d.guest_bytes ? d.guest_bytes : 1;
    } while (off < GUEST_PAGE_SIZE);
    return true;
}

/* Each round in a part of the physical address space of its own. */
static bool time_page(struct bench *b, const uint8_t *page, gpa_t gpa)
{
    double best = 1e18;
    for (unsigned i = 0; i < b->rounds; i++) {
        double start = now_ns();
        xlat_load_page(&b->xlat, page);
        if (!translate_page(b, gpa + ((gpa_t)i << 32)))
            return false;
        double took = now_ns() - start;
        best = took < best ? took : best;
    }
    b->ns += best;
    return true;
}

static void print(const struct bench *b)
{
    const struct code_stats *s = &b->cache.stats;
    double insns = (double)s->guest_insns, bytes = (double)s->guest_bytes;
    printf("BENCH xlat_ns_per_insn %.1f ns\n", b->ns * b->rounds / insns);
    printf("BENCH xlat_bytes_per_byte %.2f\n", (double)s->bytes / bytes);
    printf("BENCH xlat_insns_per_block %.2f\n", insns / (double)s->blocks);
    printf("BENCH xlat_insns %.0f\n", insns / b->rounds);
}

int main(int argc, char **argv)
{
    bool once = argc > 1 && strcmp(argv[1], "--once") == 0;
    const char *path = argc > 1 + once ? argv[1 + once] : "/usr/lib/x86_64-linux-gnu/libc.so.6";
    struct bench *b = calloc(1, sizeof(*b));
    struct cpuid_model model;
    struct error err;
    size_t size;
    const uint8_t *text = find_text(path, &size);
    if (!b || !text || code_init(&b->cache, CACHE_BYTES, &err) < 0) {
        fprintf(stderr, "xlat_bench: %s: no ELF file with code, or no memory\n", path);
        return 2;
    }
    cpuid_model_build(&model, 1, TSC_HZ);
    b->cpu.model = &model;
    b->xlat.c = &b->cpu;
    b->xlat.ctx = CTX_USER | CTX_X87 | CTX_SSE | CTX_AVX | CTX_MXCSR | CTX_TSC;
    b->rounds = once ? 1 : ROUNDS;
    code_seal(&b->cache, 0, CODE_PROLOGUE);
    size_t pages = size / GUEST_PAGE_SIZE;
    for (size_t i = 0; i < pages; i++) {
        if (!time_page(b, text + i * GUEST_PAGE_SIZE, i * GUEST_PAGE_SIZE))
            break;
    }
    print(b);
    code_destroy(&b->cache);
    free(b);
    return 0;
}
