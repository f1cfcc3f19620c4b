/*
 * A KVM vCPU: creation, running, exits, kicks.
 *
 * Kicking: the kicker has set a request bit; it sets immediate_exit and sends the signal. The vCPU
 * clears immediate_exit and then looks at the request bits. So a kick before that look is seen in
 * the bits, one after it in immediate_exit when KVM_RUN begins, and one inside KVM_RUN by the
 * signal. The handler does nothing, and system calls restart around it.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/kvm/kvm_impl.h"
#include "isa/x86/native.h"

static void on_kick(int sig)
{
    (void)sig;
}

int kvm_vcpu_install_signal(struct error *err)
{
    struct sigaction sa = {.sa_handler = on_kick, .sa_flags = SA_RESTART};
    if (sigaction(SIGRTMIN, &sa, NULL) < 0)
        return error_set(err, errno, "cannot install a signal handler: %s", strerror(errno));
    return 0;
}

static int create(struct vcpu *v, struct kvm_cpu *k, struct error *err)
{
    k->machine = kvm_machine_of(v->vm);
    k->fd = kvm_ioctl(k->machine->fd, KVM_CREATE_VCPU, (void *)(uintptr_t)v->id);
    if (k->fd < 0)
        return error_set(err, -k->fd, "KVM cannot create virtual CPU %u: %s", v->id,
                         strerror(-k->fd));
    int size = kvm_ioctl(k->machine->sys, KVM_GET_VCPU_MMAP_SIZE, NULL);
    if (size < (int)sizeof(*k->run))
        return error_set(err, EIO, "KVM does not share virtual CPU %u", v->id);
    k->run_size = (size_t)size;
    k->run = mmap(NULL, k->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, k->fd, 0);
    if (k->run == MAP_FAILED)
        return error_set(err, errno, "cannot map virtual CPU %u: %s", v->id, strerror(errno));
    k->tsc_khz = kvm_tsc_set_frequency(k, v->cpu);
    return 0;
}

int kvm_vcpu_create(struct vcpu *v, struct error *err)
{
    struct x86_cpu *c = v->cpu;
    struct kvm_cpu *k = calloc(1, sizeof(*k));
    if (!k)
        return error_set(err, ENOMEM, "there is no memory for a virtual CPU");
    k->fd = -1;
    v->engine_priv = k;
    /* Loaded vector state is validated by what the thunks know of the host. */
    int r = x86_native_create(&c->native, err);
    return r < 0 ? r : create(v, k, err);
}

void kvm_vcpu_destroy(struct vcpu *v)
{
    struct kvm_cpu *k = kvm_cpu_of(v);
    struct x86_cpu *c = v->cpu;
    if (k->run && k->run != MAP_FAILED)
        munmap(k->run, k->run_size);
    if (k->fd >= 0)
        close(k->fd);
    x86_native_destroy(c->native);
    c->native = NULL;
    free(k);
    v->engine_priv = NULL;
}

void kvm_vcpu_kick(struct vcpu *v)
{
    struct kvm_cpu *k = kvm_cpu_of(v);
    pid_t tid = atomic_load(&k->tid);
    __atomic_store_n(&k->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    if (tid)
        tgkill(getpid(), tid, SIGRTMIN);
}

/* ---- exits ---- */

static void exit_pio(struct kvm_cpu *k, struct vm_exit *exit)
{
    exit->reason = EXIT_PIO;
    exit->io.addr = k->run->io.port;
    exit->io.data = (uint8_t *)k->run + k->run->io.data_offset;
    exit->io.size = k->run->io.size;
    exit->io.count = k->run->io.count;
    exit->io.write = k->run->io.direction == KVM_EXIT_IO_OUT;
}

/* An access that crosses into a page without memory may have any width up to 8. */
static void next_mmio(struct kvm_cpu *k, struct vm_exit *exit)
{
    unsigned size = 8;
    while (size > k->mmio_left)
        size /= 2;
    exit->reason = EXIT_MMIO;
    exit->io.addr = k->run->mmio.phys_addr + k->mmio_at;
    exit->io.data = k->run->mmio.data + k->mmio_at;
    exit->io.size = size;
    exit->io.count = 1;
    exit->io.write = k->run->mmio.is_write;
    k->mmio_at += size;
    k->mmio_left -= size;
}

/* For the report of who triple-faulted. If even that fails the report shows old registers. */
static void exit_shutdown(struct vcpu *v, struct vm_exit *exit)
{
    struct error ignored;
    exit->reason = EXIT_SHUTDOWN;
    (void)!kvm_regs_get(kvm_cpu_of(v), v->cpu, &ignored);
}

static void exit_failed(struct vcpu *v, struct vm_exit *exit, const char *what, uint64_t code)
{
    struct error ignored;
    char where[300];
    exit->reason = EXIT_FAILED;
    (void)!kvm_regs_get(kvm_cpu_of(v), v->cpu, &ignored);
    v->vm->isa->describe(v->cpu, where, sizeof(where));
    error_set(&exit->error, EIO, "KVM cannot run CPU %u of the guest on: %s (code 0x%llx); %s",
              v->id, what, (unsigned long long)code, where);
}

static void exit_internal_error(struct vcpu *v, struct vm_exit *exit)
{
    const struct kvm_run *run = kvm_cpu_of(v)->run;
    const char *what = "internal error";
    if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION)
        what = "it cannot emulate an instruction";
    else if (run->internal.suberror == KVM_INTERNAL_ERROR_DELIVERY_EV)
        what = "an event met an exit that it cannot have";
    exit_failed(v, exit, what, run->internal.suberror);
}

static void translate_exit(struct vcpu *v, struct vm_exit *exit)
{
    struct kvm_cpu *k = kvm_cpu_of(v);
    const struct kvm_run *run = k->run;
    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        exit_pio(k, exit);
        break;
    case KVM_EXIT_MMIO:
        k->mmio_at = 0;
        k->mmio_left = MIN(run->mmio.len, 8u);
        next_mmio(k, exit);
        break;
    case KVM_EXIT_INTR:
    case KVM_EXIT_IRQ_WINDOW_OPEN:
        exit->reason = EXIT_INTERRUPTED;
        break;
    case KVM_EXIT_HLT:
        exit->reason = EXIT_HALT;
        break;
    case KVM_EXIT_DEBUG:
        exit->reason = EXIT_DEBUG;
        break;
    case KVM_EXIT_SHUTDOWN:
        exit_shutdown(v, exit);
        break;
    case KVM_EXIT_FAIL_ENTRY:
        exit_failed(v, exit, "the processor refuses its state",
                    run->fail_entry.hardware_entry_failure_reason);
        break;
    case KVM_EXIT_INTERNAL_ERROR:
        exit_internal_error(v, exit);
        break;
    default:
        exit_failed(v, exit, "an exit that is not known here", run->exit_reason);
        break;
    }
}

/* ---- running ---- */

enum { REQ_LEAVE = VCPU_REQ_PAUSE | VCPU_REQ_STOP };

/*
 * Only pauses and stops concern us: KVM's own chips interrupt, start and wake vCPUs. Bits that our
 * chip models set when their state is loaded mean nothing here.
 */
static bool must_leave(struct vcpu *v)
{
    vcpu_take(v, ~(uint32_t)REQ_LEAVE);
    return atomic_load(&v->requests) & REQ_LEAVE;
}

/* Even with a request pending KVM_RUN is entered: it completes the last I/O before it leaves. */
static int enter(struct vcpu *v)
{
    struct kvm_cpu *k = kvm_cpu_of(v);
    __atomic_store_n(&k->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
    if (must_leave(v))
        __atomic_store_n(&k->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    return kvm_ioctl(k->fd, KVM_RUN, NULL);
}

void kvm_vcpu_run(struct vcpu *v, struct vm_exit *exit)
{
    struct kvm_cpu *k = kvm_cpu_of(v);
    if (!atomic_load_explicit(&k->tid, memory_order_relaxed))
        atomic_store(&k->tid, gettid());
    if (k->mmio_left) {
        next_mmio(k, exit);
        return;
    }
    int r = enter(v);
    if (r == 0)
        translate_exit(v, exit);
    /* EAGAIN: an application processor took its INIT and waits for the start-up message. */
    else if (r == -EINTR || r == -EAGAIN)
        exit->reason = EXIT_INTERRUPTED;
    else
        exit_failed(v, exit, strerror(-r), (uint64_t)-r);
}
