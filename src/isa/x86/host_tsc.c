/*
 * Who knows the counter's rate: the kernel (a perf page shows its own scale, where programs may
 * have one), the CPU or the hypervisor below it (CPUID), or a clock and some patience.
 */
#include "isa/x86/host_tsc.h"

#include <cpuid.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

enum { NS_PER_S = 1000000000, LONGEST_NS = 20000000, SAMPLE_TRIES = 5, WIDTHS = 10000 };

/* The kernel's own scale: exact. */
static uint64_t perf_tsc_hz(void)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
                                   .size = sizeof(attr),
                                   .config = PERF_COUNT_SW_DUMMY,
                                   .exclude_kernel = 1};
    int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
    uint64_t hz = 0;
    if (fd < 0)
        return 0;
    struct perf_event_mmap_page *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    if (p != MAP_FAILED) {
        if (p->cap_user_time && p->time_mult)
            hz = (uint64_t)(((unsigned __int128)NS_PER_S << p->time_shift) / p->time_mult);
        munmap(p, 4096);
    }
    close(fd);
    return hz;
}

/* The crystal's rate and the counter's ratio to it [SDM 2 CPUID leaf 15H]. */
static uint64_t crystal_tsc_hz(void)
{
    unsigned a = 0, b = 0, c = 0, d;
    if (!__get_cpuid_count(0x15, 0, &a, &b, &c, &d) || !a)
        return 0;
    return (uint64_t)c * b / a;
}

/* Many hypervisors tell it in kHz, in the leaf that VMware began with. */
static uint64_t hypervisor_tsc_hz(void)
{
    enum { HYPERVISOR_PRESENT = 1u << 31, BASE = 0x40000000, TIMING = 0x40000010 };
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & HYPERVISOR_PRESENT))
        return 0;
    __cpuid(BASE, a, b, c, d);
    if (a < TIMING || a > TIMING + 0xff)
        return 0;
    __cpuid(TIMING, a, b, c, d);
    return (uint64_t)a * 1000;
}

/* The counter at a time of the clock; `width` is how long reading the clock took. */
struct sample {
    uint64_t ns, tsc, width;
};

/* The quickest of several: nothing came in between. */
static struct sample take_sample(void)
{
    struct sample best = {.width = UINT64_MAX};
    for (unsigned i = 0; i < SAMPLE_TRIES; i++) {
        struct timespec t;
        uint64_t before = __rdtsc();
        clock_gettime(CLOCK_MONOTONIC_RAW, &t);
        uint64_t width = __rdtsc() - before;
        if (width < best.width)
            best = (struct sample){(uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec,
                                   before + width / 2, width};
    }
    return best;
}

/* Each end is uncertain by half its width: 10000 widths make that 50 ppm. */
uint64_t host_tsc_measured_hz(void)
{
    struct sample a = take_sample(), b;
    do
        b = take_sample();
    while (b.ns - a.ns < LONGEST_NS &&
           (b.ns == a.ns || b.tsc - a.tsc < (a.width + b.width) * WIDTHS));
    return (uint64_t)((unsigned __int128)(b.tsc - a.tsc) * NS_PER_S / (b.ns - a.ns));
}

uint64_t host_tsc_hz(void)
{
    uint64_t (*const told[])(void) = {perf_tsc_hz, crystal_tsc_hz, hypervisor_tsc_hz};
    for (unsigned i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        uint64_t hz = told[i]();
        if (hz)
            return hz;
    }
    return host_tsc_measured_hz();
}
