#include "interp_machine.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "isa/x86/system.h"

enum { SLICE_NS = 2000000, MAX_EXITS = 200 };

static void check_size(unsigned size)
{
    if (size != 1 && size != 2 && size != 4 && size != 8)
        abort(); /* no bus carries such an access */
}

static uint64_t mmio_read(void *opaque, gpa_t gpa, unsigned size)
{
    struct machine *m = opaque;
    check_size(size);
    /* Engines differ in when a MOVS from here into code begins anew, and reads twice. */
    uint64_t state = m->noise;
    return machine_random(m->quiet ? &state : &m->noise) ^ gpa;
}

static void mmio_write(void *opaque, gpa_t gpa, unsigned size, uint64_t v)
{
    struct machine *m = opaque;
    check_size(size);
    m->noise += (gpa ^ v) | 1;
}

static uint64_t pio_read(void *opaque, uint16_t port, unsigned size)
{
    if (size == 8)
        abort();
    return mmio_read(opaque, port, size);
}

static void time_over(struct machine *m)
{
    atomic_fetch_or(&m->vm.vcpus[0].requests, VCPU_REQ_PAUSE);
    m->vm.engine->kick(&m->vm.vcpus[0]);
}

static void pio_write(void *opaque, uint16_t port, unsigned size, uint64_t v)
{
    struct machine *m = opaque;
    if (size == 8)
        abort();
    if (m->writes && --m->writes == 0) {
        if (m->last_write)
            m->last_write(m);
        time_over(m);
    }
    mmio_write(opaque, port, size, v);
}

static bool irq_pending(void *opaque)
{
    struct machine *m = opaque;
    return !m->quiet && machine_random(&m->noise) % 4 == 0;
}

static int irq_ack(void *opaque)
{
    struct machine *m = opaque;
    unsigned v = machine_random(&m->noise) & 0xff;
    return v < 16 ? -1 : (int)v;
}

static uint64_t cr8_get(void *opaque)
{
    struct machine *m = opaque;
    return machine_random(&m->noise) & 15;
}

static void cr8_set(void *opaque, uint64_t v)
{
    struct machine *m = opaque;
    m->noise ^= v;
}

static bool apic_msr_read(void *opaque, uint32_t msr, uint64_t *v)
{
    struct machine *m = opaque;
    *v = machine_random(&m->noise);
    return msr & 1;
}

static bool apic_msr_write(void *opaque, uint32_t msr, uint64_t v)
{
    struct machine *m = opaque;
    m->noise += v;
    return msr & 1;
}

static void tsc_changed(void *opaque)
{
    (void)opaque;
}

/* The run loop's part of a timer that ends a program: only what a signal handler may do. */
static void on_timer(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    time_over(info->si_value.sival_ptr);
}

/* Signals come to a thread of their own: translated code lets none through. */
struct receiver {
    int tid;
    sem_t ready;
};

static void *receive(void *arg)
{
    struct receiver *r = arg;
    r->tid = gettid();
    sem_post(&r->ready);
    for (;;)
        pause();
    return NULL;
}

static int create_timer(struct machine *m)
{
    struct sigaction sa = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigevent ev = {
        .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN, .sigev_value = {.sival_ptr = m}};
    struct receiver r;
    pthread_t thread;
    sem_init(&r.ready, 0, 0);
    if (pthread_create(&thread, NULL, receive, &r))
        return -1;
    sem_wait(&r.ready);
    ev._sigev_un._tid = r.tid;
    return sigaction(SIGRTMIN, &sa, NULL) || timer_create(CLOCK_THREAD_CPUTIME_ID, &ev, &m->timer);
}

static void wire(struct machine *m)
{
    m->cpu->model = &m->model;
    m->cpu->env = (struct x86_env){.machine = m,
                                   .mmio_read = mmio_read,
                                   .mmio_write = mmio_write,
                                   .pio_read = pio_read,
                                   .pio_write = pio_write,
                                   .irq = m,
                                   .irq_pending = irq_pending,
                                   .irq_ack = irq_ack,
                                   .cr8_get = cr8_get,
                                   .cr8_set = cr8_set,
                                   .apic_msr_read = apic_msr_read,
                                   .apic_msr_write = apic_msr_write,
                                   .tsc_changed = tsc_changed};
}

static int create(struct machine *m, const struct engine_ops *engine, struct error *err)
{
    struct vm_params p = {
        .name = "fuzz", .nvcpus = 1, .ram_size = MACHINE_RAM, .isa = &isa_x86, .engine = engine};
    int r = vm_init(&m->vm, &p, err);
    if (r == 0)
        r = guest_mem_add_slot(&m->vm.mem, 0, MACHINE_RAM, false, err);
    if (r == 0)
        r = vm_init_cpus(&m->vm, err);
    if (r < 0)
        return r;
    m->ram = gpa_pin(&m->vm.mem, 0, MACHINE_RAM, true);
    m->cpu = m->vm.vcpus[0].cpu;
    cpuid_model_build(&m->model, 1, 2000000000);
    wire(m);
    isa_x86.cpu_reset(m->cpu);
    r = vm_init_engine(&m->vm, err);
    return r == 0 ? create_timer(m) : r;
}

struct machine *machine_create(const struct engine_ops *engine)
{
    struct error err = {0};
    struct machine *m = calloc(1, sizeof(*m));
    if (m)
        m->slice_ns = SLICE_NS;
    if (m && create(m, engine, &err) == 0)
        return m;
    fprintf(stderr, "fuzz: %s\n", err.text);
    exit(1);
}

void machine_destroy(struct machine *m)
{
    timer_delete(m->timer);
    vm_destroy(&m->vm);
    free(m);
}

void machine_reset(struct machine *m, uint64_t noise)
{
    m->noise = noise | 1;
    memset(m->ram, 0, MACHINE_RAM);
    isa_x86.cpu_reset(m->cpu);
}

void machine_mix(struct machine *m)
{
    const struct mem_slot *s = &m->vm.mem.slots[0];
    for (uint64_t i = 0; i < s->len >> GUEST_PAGE_SHIFT; i++)
        atomic_fetch_or(&s->page_flags[i], MEM_PAGE_MIXED);
}

static void set_timer(struct machine *m, long ns)
{
    struct itimerspec t = {.it_value = {.tv_nsec = ns}};
    timer_settime(m->timer, 0, &t, NULL);
}

void machine_run(struct machine *m)
{
    struct vcpu *v = &m->vm.vcpus[0];
    struct vm_exit exit = {0};
    struct error err = {0};
    gpa_wrote(&m->vm.mem, 0, MACHINE_RAM);
    atomic_store(&v->requests, 0);
    if (m->vm.engine->state_put(v, &err) < 0)
        abort();
    set_timer(m, m->slice_ns);
    for (unsigned i = 0; i < MAX_EXITS; i++) {
        m->vm.engine->run(v, &exit);
        if (exit.reason != EXIT_HALT)
            break;
        atomic_fetch_or(&v->requests, VCPU_REQ_NMI);
    }
    set_timer(m, 0);
}
