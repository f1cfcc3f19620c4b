/* fcntl and ioctl: whether the argument is a pointer depends on the command. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "process/linux/process.h"

#ifndef F_OFD_GETLK
#define F_OFD_GETLK 36
#endif

#ifndef F_GETOWNER_UIDS
#define F_GETOWNER_UIDS 17
#endif

static bool fcntl_points(int cmd)
{
    switch (cmd) {
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
    case F_GETOWNER_UIDS:
    case F_GETOWN_EX:
    case F_SETOWN_EX:
    case F_GET_RW_HINT:
    case F_SET_RW_HINT:
        return true;
    default:
        return false;
    }
}

long sys_fcntl(struct thread *t, const uint64_t *a)
{
    return syscall_pass(t, SYS_fcntl, fcntl_points((int)a[1]) ? "ddP" : "ddx", a);
}

/* Commands from before there were rules, or against them, whose argument is a number or nothing. */
static bool ioctl_takes_number(uint32_t cmd)
{
    switch (cmd) {
    case TCSBRK:
    case TCXONC:
    case TCFLSH:
    case TCSBRKP:
    case TIOCEXCL:
    case TIOCNXCL:
    case TIOCSCTTY:
    case TIOCNOTTY:
    case TIOCSBRK:
    case TIOCCBRK:
    case TIOCVHANGUP:
    case TIOCGPTPEER:
    case FIOCLEX:
    case FIONCLEX:
    case FICLONE:
        return true;
    default:
        return false;
    }
}

enum { TYPE_FS = 0x00, TYPE_BLOCK = 0x12, TYPE_TTY = 'T', TYPE_SOCKET = 0x89 };

static bool ioctl_points(uint32_t cmd)
{
    unsigned type = _IOC_TYPE(cmd);
    if (ioctl_takes_number(cmd))
        return false;
    return _IOC_DIR(cmd) != _IOC_NONE || type == TYPE_FS || type == TYPE_BLOCK ||
           type == TYPE_TTY || type == TYPE_SOCKET;
}

/* The list of interfaces: a structure with a pointer inside. */
static long get_interfaces(struct thread *t, const uint64_t *a)
{
    struct ifconf c;
    struct arena *m = thread_arena(t);
    if (guest_read(m, &c, a[2], sizeof(c)) < 0 || c.ifc_len < 0)
        return -EFAULT;
    gva_t buf = (gva_t)c.ifc_buf;
    if (buf && !(c.ifc_buf = guest_ptr(m, buf, (uint64_t)c.ifc_len)))
        return -EFAULT;
    const uint64_t args[6] = {a[0], a[1], (uint64_t)&c};
    long r = syscall_host(t, SYS_ioctl, args);
    c.ifc_buf = (char *)buf;
    return r < 0 ? r : guest_write(m, a[2], &c, sizeof(c));
}

long sys_ioctl(struct thread *t, const uint64_t *a)
{
    uint32_t cmd = (uint32_t)a[1];
    if (cmd == SIOCGIFCONF)
        return get_interfaces(t, a);
    if (cmd == SIOCETHTOOL) /* pointers within pointers, by a language of its own */
        return -EOPNOTSUPP;
    return syscall_pass(t, SYS_ioctl, ioctl_points(cmd) ? "dxP" : "dxx", a);
}
