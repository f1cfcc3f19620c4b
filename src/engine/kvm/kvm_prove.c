/*
 * Is this KVM hardware? A loop in 64-bit mode at CPL 0, timed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "engine/kvm/kvm.h"
#include "isa/x86/regs.h"

/* Guest-physical layout of the tiny guest. */
enum { CODE = 0x1000, PML4 = 0x2000, PDPT = 0x3000, PD = 0x4000, GUEST_SIZE = 0x5000 };

/*
 * Runs are grown by STEP until one takes long enough to judge, so that the whole takes less than
 * ENOUGH_NS * (STEP + 1) even where an instruction takes a microsecond.
 */
enum { FIRST_INSNS = 1024, STEP = 4, LAST_INSNS = 1 << 20, ENOUGH_NS = 1500000 };

struct prover {
    int sys, vm, vcpu;
    uint8_t *mem;
    struct kvm_run *run;
    size_t run_size;
};

/* again: hlt; 1: dec ecx; jnz 1b; jmp again */
static const uint8_t loop_code[] = {0xf4, 0xff, 0xc9, 0x75, 0xfc, 0xeb, 0xf9};

static void write_guest(uint8_t *mem)
{
    uint64_t pml4 = PDPT | 3, pdpt = PD | 3, pd = 0x83; /* present, writable; 2 MiB page */
    memcpy(mem + CODE, loop_code, sizeof(loop_code));
    memcpy(mem + PML4, &pml4, 8);
    memcpy(mem + PDPT, &pdpt, 8);
    memcpy(mem + PD, &pd, 8);
}

static int create_vm(struct prover *p)
{
    p->sys = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (p->sys < 0)
        return -errno;
    p->vm = ioctl(p->sys, KVM_CREATE_VM, 0);
    if (p->vm < 0)
        return -errno;
    p->mem = mmap(NULL, GUEST_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p->mem == MAP_FAILED)
        return -errno;
    write_guest(p->mem);
    struct kvm_userspace_memory_region slot = {.memory_size = GUEST_SIZE,
                                               .userspace_addr = (uintptr_t)p->mem};
    return ioctl(p->vm, KVM_SET_USER_MEMORY_REGION, &slot) < 0 ? -errno : 0;
}

static int enter_long_mode(struct prover *p)
{
    struct kvm_sregs s;
    struct kvm_regs r = {.rip = CODE, .rflags = FL_ONE};
    if (ioctl(p->vcpu, KVM_GET_SREGS, &s) < 0)
        return -errno;
    struct kvm_segment data = {
        .limit = UINT32_MAX, .selector = 16, .present = 1, .type = 3, .db = 1, .s = 1, .g = 1};
    s.cs = data;
    s.cs.selector = 8;
    s.cs.type = 11;
    s.cs.db = 0;
    s.cs.l = 1;
    s.ds = s.es = s.fs = s.gs = s.ss = data;
    s.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG;
    s.cr3 = PML4;
    s.cr4 = CR4_PAE;
    s.efer = EFER_LME | EFER_LMA;
    if (ioctl(p->vcpu, KVM_SET_SREGS, &s) < 0 || ioctl(p->vcpu, KVM_SET_REGS, &r) < 0)
        return -errno;
    return 0;
}

/* Without the in-kernel interrupt chip HLT comes back to us. */
static int create_vcpu(struct prover *p)
{
    p->vcpu = ioctl(p->vm, KVM_CREATE_VCPU, 0);
    int size = ioctl(p->sys, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (p->vcpu < 0 || size < 0)
        return -errno;
    p->run_size = (size_t)size;
    p->run = mmap(NULL, p->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, p->vcpu, 0);
    if (p->run == MAP_FAILED)
        return -errno;
    return enter_long_mode(p);
}

static int run_to_hlt(struct prover *p)
{
    int r;
    do
        r = ioctl(p->vcpu, KVM_RUN, 0);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return -errno;
    return p->run->exit_reason == KVM_EXIT_HLT ? 0 : -EIO;
}

/* The thread's own time: on a busy host we may stand still in the middle. */
static uint64_t thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int time_loop(struct prover *p, uint64_t insns, uint64_t *ns)
{
    struct kvm_regs r;
    if (ioctl(p->vcpu, KVM_GET_REGS, &r) < 0)
        return -errno;
    r.rcx = insns / 2;
    if (ioctl(p->vcpu, KVM_SET_REGS, &r) < 0)
        return -errno;
    uint64_t start = thread_ns();
    int rc = run_to_hlt(p);
    *ns = thread_ns() - start + 1;
    return rc;
}

static int measure(struct prover *p, unsigned *kips)
{
    uint64_t ns = 0;
    int r = run_to_hlt(p); /* first entry: faults its pages in */
    for (uint64_t n = FIRST_INSNS; r == 0 && n <= LAST_INSNS && ns < ENOUGH_NS; n *= STEP) {
        r = time_loop(p, n, &ns);
        *kips = (unsigned)(n * 1000000 / ns);
    }
    return r;
}

static void prover_close(struct prover *p)
{
    if (p->run && p->run != MAP_FAILED)
        munmap(p->run, p->run_size);
    if (p->vcpu >= 0)
        close(p->vcpu);
    if (p->vm >= 0)
        close(p->vm);
    if (p->mem && p->mem != MAP_FAILED)
        munmap(p->mem, GUEST_SIZE);
    if (p->sys >= 0)
        close(p->sys);
}

int kvm_prove(unsigned *kips, struct error *err)
{
    struct prover p = {.sys = -1, .vm = -1, .vcpu = -1};
    int r = create_vm(&p);
    if (r == 0)
        r = create_vcpu(&p);
    if (r == 0)
        r = measure(&p, kips);
    prover_close(&p);
    if (r < 0)
        return error_set(err, -r, "KVM here cannot run a small test guest: %s", strerror(-r));
    return 0;
}
