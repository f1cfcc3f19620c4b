/*
 * The engine on Linux's KVM: probe, virtual machine, table of calls.
 *
 * With KVM only exits come back to us: kvm_vcpu.c turns them into struct vm_exit. LAPICs, IOAPIC,
 * PICs and PIT run in the kernel; our own models of them hold the state when it is saved.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/kvm/kvm_impl.h"

int kvm_ioctl(int fd, unsigned long request, void *arg)
{
    int r = ioctl(fd, request, arg);
    return r < 0 ? -errno : r;
}

int kvm_call(int fd, unsigned long request, void *arg, const char *what, struct error *err)
{
    int r = kvm_ioctl(fd, request, arg);
    if (r < 0)
        return error_set(err, -r, "KVM cannot %s: %s", what, strerror(-r));
    return 0;
}

static int open_kvm(struct error *err)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    if (errno == ENOENT)
        return error_set(err, ENOENT, "no /dev/kvm");
    if (errno == EACCES)
        return error_set(err, EACCES, "no permission for /dev/kvm; its group is usually \"kvm\"");
    return error_set(err, errno, "cannot open /dev/kvm: %s", strerror(errno));
}

/* What we cannot do without. */
static int check_capabilities(int sys, struct error *err)
{
    static const struct {
        long cap;
        const char *what;
    } wanted[] = {
        {KVM_CAP_USER_MEMORY, "user memory"},
        {KVM_CAP_IRQCHIP, "interrupt chips"},
        {KVM_CAP_PIT2, "an interval timer"},
        {KVM_CAP_IRQ_ROUTING, "interrupt routing"},
        {KVM_CAP_SIGNAL_MSI, "message-signalled interrupts"},
        {KVM_CAP_IOEVENTFD, "doorbells"},
        {KVM_CAP_EXT_CPUID, "CPUID models"},
        {KVM_CAP_MP_STATE, "processor start-up state"},
        {KVM_CAP_VCPU_EVENTS, "pending events"},
        {KVM_CAP_XSAVE, "the floating-point state"},
        {KVM_CAP_IMMEDIATE_EXIT, "leaving a guest at once"},
    };
    int version = ioctl(sys, KVM_GET_API_VERSION, 0);
    if (version != KVM_API_VERSION)
        return error_set(err, ENOTSUP, "/dev/kvm speaks version %d of its interface, not %d",
                         version, KVM_API_VERSION);
    for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++) {
        if (ioctl(sys, KVM_CHECK_EXTENSION, wanted[i].cap) <= 0)
            return error_set(err, ENOTSUP, "/dev/kvm here does not offer %s", wanted[i].what);
    }
    return 0;
}

static int probe(struct error *err)
{
    int fd = open_kvm(err);
    if (fd < 0)
        return fd;
    int r = check_capabilities(fd, err);
    close(fd);
    return r;
}

static int create(struct kvm_machine *m, struct error *err)
{
    m->sys = open_kvm(err);
    if (m->sys < 0)
        return m->sys;
    do
        m->fd = kvm_ioctl(m->sys, KVM_CREATE_VM, NULL);
    while (m->fd == -EINTR);
    if (m->fd < 0)
        return error_set(err, -m->fd, "KVM cannot create a virtual machine: %s", strerror(-m->fd));
    return kvm_cpuid_init(m, err);
}

static void vm_release(struct vm *vm)
{
    struct kvm_machine *m = kvm_machine_of(vm);
    if (!m)
        return;
    if (m->fd >= 0)
        close(m->fd);
    if (m->sys >= 0)
        close(m->sys);
    pthread_mutex_destroy(&m->messages_lock);
    free(m->supported);
    free(m);
    vm->engine_priv = NULL;
}

static int vm_create(struct vm *vm, struct error *err)
{
    struct kvm_machine *m = calloc(1, sizeof(*m));
    if (!m)
        return error_set(err, ENOMEM, "there is no memory for a virtual machine");
    m->sys = m->fd = -1;
    pthread_mutex_init(&m->messages_lock, NULL);
    vm->engine_priv = m;
    int r = create(m, err);
    if (r == 0)
        r = kvm_vcpu_install_signal(err);
    if (r == 0)
        r = kvm_mem_init(vm, err);
    if (r == 0)
        r = kvm_chips_create(m, err);
    if (r < 0)
        vm_release(vm);
    return r;
}

const struct engine_ops engine_kvm = {
    .name = "kvm",
    .caps = ENGINE_CAP_IRQCHIP | ENGINE_CAP_DOORBELL | ENGINE_CAP_HOST_CPU,
    .probe = probe,
    .vm_init = vm_create,
    .vm_destroy = vm_release,
    .vcpu_init = kvm_vcpu_create,
    .vcpu_destroy = kvm_vcpu_destroy,
    .run = kvm_vcpu_run,
    .kick = kvm_vcpu_kick,
    .state_get = kvm_state_get,
    .state_put = kvm_state_put,
    .chips_get = kvm_chips_get,
    .chips_put = kvm_chips_put,
    .memory_changed = kvm_mem_changed,
    .dirty_log = kvm_mem_dirty_log,
    .dirty_collect = kvm_mem_dirty_collect,
    .irq_set = kvm_irq_set,
    .msi_send = kvm_msi_send,
    .msi_route = kvm_msi_route,
    .msi_unroute = kvm_msi_unroute,
    .doorbell = kvm_doorbell,
};
