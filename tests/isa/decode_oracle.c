/*
 * The decoder against Zydis:
 * decode_oracle [--seed N] [--random MILLIONS] [--exhaustive 1] [--seconds S] [--report N]
 * [FILE|DIR]...
 *
 * Random bytes, shaped so that every map, prefix and mode is reached, then a linear sweep through
 * the executable sections of ELF files. Without files: /usr/bin and the libraries. --seconds bounds
 * each half, for the quick suite; --exhaustive 1 adds every opcode with every ModRM byte (some
 * minutes).
 */
#include <elf.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "decode_judge.h"

static struct {
    struct judge judge;
    uint64_t seed;
    double millions, seconds, deadline;
    bool exhaustive;
    unsigned files;
} oracle = {.seed = 1, .millions = 2, .seconds = 1e9};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* xorshift64*: repeatable on every machine. */
static uint64_t random64(void)
{
    oracle.seed ^= oracle.seed >> 12;
    oracle.seed ^= oracle.seed << 25;
    oracle.seed ^= oracle.seed >> 27;
    return oracle.seed * 0x2545f4914f6cdd1dull;
}

static unsigned random_below(unsigned n)
{
    return (unsigned)((random64() >> 33) % n);
}

static unsigned put_prefixes(uint8_t *p)
{
    static const uint8_t prefix[] = {0x66, 0xf2, 0xf3, 0x66, 0x67, 0xf0, 0x2e,
                                     0x36, 0x64, 0x65, 0x26, 0x3e, 0x48, 0x41};
    unsigned n = random_below(4);

    for (unsigned i = 0; i < n; i++)
        p[i] = prefix[random_below(sizeof(prefix))];
    if (random_below(2))
        p[n++] = (uint8_t)(0x40 + random_below(16));
    return n;
}

static unsigned put_map(uint8_t *p)
{
    switch (random_below(8)) {
    case 0:
    case 1:
        p[0] = 0x0f;
        return 1;
    case 2:
        p[0] = 0x0f;
        p[1] = 0x38;
        return 2;
    case 3:
        p[0] = 0x0f;
        p[1] = 0x3a;
        return 2;
    case 4:
        p[0] = 0xc5;
        p[1] = (uint8_t)random64() | (random_below(2) ? 0x78 : 0);
        return 2;
    case 5:
    case 6:
        p[0] = 0xc4;
        p[1] = (uint8_t)((random64() & 0xe0) | (1 + random_below(3)));
        p[2] = (uint8_t)random64() | (random_below(2) ? 0x78 : 0);
        return 3;
    default:
        return 0;
    }
}

/* Random bytes behind up to four prefixes and an escape; one in four is random throughout. */
static void shaped_bytes(uint8_t bytes[16])
{
    uint64_t r[2] = {random64(), random64()};
    unsigned n = 0;

    memcpy(bytes, r, 16);
    if (random_below(4) == 0)
        return;
    if (random_below(3))
        n = put_prefixes(bytes);
    put_map(bytes + n);
}

static void judge_random(void)
{
    static const enum x86_mode modes[4] = {X86_MODE_64, X86_MODE_64, X86_MODE_32, X86_MODE_16};
    uint64_t count = (uint64_t)(oracle.millions * 1e6);
    double stop = now() + oracle.seconds;
    uint8_t bytes[16];

    for (uint64_t i = 0; i < count; i++) {
        shaped_bytes(bytes);
        judge_bytes(&oracle.judge, bytes, 15, modes[i & 3]);
        if ((i & 0xfff) == 0 && now() > stop)
            break;
    }
}

/* Every map, prefix, opcode, ModRM byte, REX or VEX W and L, in every mode; the rest of the bytes
 * random. */
static void judge_opcode(const uint8_t *lead, unsigned n)
{
    static const enum x86_mode modes[3] = {X86_MODE_64, X86_MODE_32, X86_MODE_16};
    uint8_t bytes[16];

    for (unsigned i = 0; i < 0x10000; i++) {
        uint64_t r[2] = {random64(), random64()};

        memcpy(bytes, r, 16);
        memcpy(bytes, lead, n);
        bytes[n] = (uint8_t)(i >> 8);
        bytes[n + 1] = (uint8_t)i;
        for (unsigned m = 0; m < 3; m++)
            judge_bytes(&oracle.judge, bytes, 15, modes[m]);
    }
}

static void judge_exhaustive(void)
{
    static const uint8_t prefixes[4] = {0, 0x66, 0xf3, 0xf2};
    static const uint8_t rexes[3] = {0, 0x48, 0x45};
    static const uint8_t maps[4][2] = {{0}, {0x0f}, {0x0f, 0x38}, {0x0f, 0x3a}};

    for (unsigned i = 0; i < 4 * 3 * 4; i++) {
        uint8_t lead[4], n = 0;

        if (prefixes[i & 3])
            lead[n++] = prefixes[i & 3];
        if (rexes[(i >> 2) % 3])
            lead[n++] = rexes[(i >> 2) % 3];
        for (unsigned k = 0; k < 2 && maps[i / 12][k]; k++)
            lead[n++] = maps[i / 12][k];
        judge_opcode(lead, n);
    }
    for (unsigned i = 0; i < 3 * 16; i++) {
        /* W, L, pp; vvvv absent or register 5 */
        uint8_t tail = (uint8_t)((i & 8) << 4 | (i & 7)),
                lead[3] = {0xc4, 0xe1 + i / 16, tail | 0x78};

        judge_opcode(lead, 3);
        lead[2] = tail | 0x50;
        judge_opcode(lead, 3);
    }
}

static void sweep(const uint8_t *code, size_t size, enum x86_mode mode)
{
    for (size_t at = 0; at < size;) {
        at += judge_bytes(&oracle.judge, code + at, size - at, mode);
        if ((at & 0xff) == 0 && now() > oracle.deadline)
            return;
    }
}

static void sweep_elf64(const uint8_t *image, size_t size)
{
    const Elf64_Ehdr *eh = (const void *)image;

    if (eh->e_machine != EM_X86_64 || eh->e_shoff > size ||
        (size - eh->e_shoff) / sizeof(Elf64_Shdr) < eh->e_shnum)
        return;
    oracle.files++;
    for (unsigned i = 0; i < eh->e_shnum; i++) {
        Elf64_Shdr sh;

        memcpy(&sh, image + eh->e_shoff + i * sizeof(sh), sizeof(sh));
        if ((sh.sh_flags & SHF_EXECINSTR) && sh.sh_type == SHT_PROGBITS && sh.sh_offset < size &&
            sh.sh_size <= size - sh.sh_offset)
            sweep(image + sh.sh_offset, sh.sh_size, X86_MODE_64);
    }
}

static void sweep_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *image;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > (off_t)sizeof(Elf64_Ehdr)) {
        image = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (image != MAP_FAILED) {
            if (memcmp(image, ELFMAG "\2", 5) == 0)
                sweep_elf64(image, (size_t)st.st_size);
            munmap(image, (size_t)st.st_size);
        }
    }
    close(fd);
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    if (type == FTW_F)
        sweep_file(path);
    return now() > oracle.deadline;
}

static int parse_options(int argc, char **argv)
{
    int i;

    for (i = 1; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            oracle.seed = strtoull(argv[i + 1], NULL, 0) | 1;
        else if (strcmp(argv[i], "--random") == 0)
            oracle.millions = strtod(argv[i + 1], NULL);
        else if (strcmp(argv[i], "--seconds") == 0)
            oracle.seconds = strtod(argv[i + 1], NULL);
        else if (strcmp(argv[i], "--exhaustive") == 0)
            oracle.exhaustive = strtoul(argv[i + 1], NULL, 0) != 0;
        else if (strcmp(argv[i], "--report") == 0)
            oracle.judge.report_max = (unsigned)strtoul(argv[i + 1], NULL, 0);
        else
            exit(2);
    }
    return i;
}

int main(int argc, char **argv)
{
    int first;

    judge_init(&oracle.judge);
    first = parse_options(argc, argv);
    judge_random();
    if (oracle.exhaustive)
        judge_exhaustive();
    oracle.deadline = now() + oracle.seconds;
    for (int i = first; i < argc; i++)
        nftw(argv[i], visit, 16, FTW_PHYS);
    if (first == argc) {
        nftw("/usr/bin", visit, 16, FTW_PHYS);
        nftw("/usr/lib/x86_64-linux-gnu", visit, 16, FTW_PHYS);
    }
    printf("%llu compared, %llu valid, %llu excused, %llu different, %u files\n",
           (unsigned long long)oracle.judge.compared, (unsigned long long)oracle.judge.valid,
           (unsigned long long)oracle.judge.excused, (unsigned long long)oracle.judge.failed,
           oracle.files);
    return oracle.judge.failed != 0;
}
