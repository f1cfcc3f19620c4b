/*
 * The engine on Linux's KVM: probe, virtual machine, table of calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/engine.h"

static int probe(struct error *err)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return error_set(err, ENOENT, "no /dev/kvm");
    if (fd < 0)
        return error_set(err, errno, "cannot open /dev/kvm: %s", strerror(errno));
    int version = ioctl(fd, KVM_GET_API_VERSION, 0);
    close(fd);
    if (version != KVM_API_VERSION)
        return error_set(err, ENOTSUP, "/dev/kvm speaks version %d of its interface, not %d",
                         version, KVM_API_VERSION);
    return 0;
}

static int vm_init(struct vm *vm, struct error *err)
{
    (void)vm;
    return error_set(err, ENOTSUP, "the KVM engine is not built in yet");
}

const struct engine_ops engine_kvm = {.name = "kvm", .probe = probe, .vm_init = vm_init};
