/* epoll, poll, select, eventfd, timerfd, inotify, sockets with messages, clocks. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void epolls(void)
{
    int ep = epoll_create1(0), a = eventfd(0, 0), b = eventfd(3, EFD_SEMAPHORE);
    struct epoll_event e = {EPOLLIN, {.u64 = 0x123456789abcdef0}}, out[4];
    uint64_t v = 5;
    printf("%d\n", epoll_ctl(ep, EPOLL_CTL_ADD, a, &e));
    e.data.u64 = 2;
    printf("%d\n", epoll_ctl(ep, EPOLL_CTL_ADD, b, &e));
    int n = epoll_wait(ep, out, 4, 100);
    printf("%d %lx %x\n", n, (long)out[0].data.u64, out[0].events);
    if (write(a, &v, 8) != 8)
        return;
    n = epoll_wait(ep, out, 4, -1);
    printf("%d %lx\n", n, (long)(out[0].data.u64 ^ out[1].data.u64));
    printf("%zd\n", read(a, &v, 8));
    printf("%ld\n", (long)v);
    printf("%zd\n", read(b, &v, 8));
    printf("%ld\n", (long)v);
    printf("%d\n", epoll_ctl(ep, EPOLL_CTL_DEL, b, NULL));
    printf("%d\n", epoll_wait(ep, out, 4, 20));
    printf("%d %d\n", epoll_wait(ep, out, 0, 0) < 0 && errno == EINVAL, ep >= 0);
}

static volatile int alarms;

static void on_alarm(int signo)
{
    (void)signo;
    alarms++;
}

static void masks(void)
{
    sigset_t none, alarm_only;
    sigemptyset(&none);
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    signal(SIGALRM, on_alarm);
    sigprocmask(SIG_BLOCK, &alarm_only, NULL);
    raise(SIGALRM);
    struct timespec ts = {5, 0};
    printf("%d\n", ppoll(NULL, 0, &ts, &none));
    printf("%d %d\n", errno == EINTR, alarms);
    raise(SIGALRM);
    printf("%d\n", pselect(0, NULL, NULL, NULL, &ts, &none));
    printf("%d %d\n", errno == EINTR, alarms);
    raise(SIGALRM);
    ts.tv_sec = 0;
    printf("%d %d\n", ppoll(NULL, 0, &ts, NULL), alarms);
    sigprocmask(SIG_UNBLOCK, &alarm_only, NULL);
    printf("%d\n", alarms);
}

static void timers(void)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec it = {{0, 1000000}, {0, 1000000}};
    uint64_t n = 0;
    struct pollfd p = {fd, POLLIN, 0};
    timerfd_settime(fd, 0, &it, NULL);
    printf("%d\n", poll(&p, 1, 1000));
    printf("%d\n", p.revents);
    usleep(5000);
    printf("%zd\n", read(fd, &n, 8));
    printf("%d\n", n >= 2);
    struct timespec a, b, nap = {0, 3000000};
    clock_gettime(CLOCK_MONOTONIC, &a);
    printf("%d\n", clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL));
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%d\n", (b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec >= 3000000);
}

static void pass_fd(void)
{
    int s[2], p[2];
    char text[8] = "", control[64];
    struct iovec v = {"fd", 2}, w = {text, 8};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = CMSG_SPACE(sizeof(int))};
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) < 0 || pipe(p) < 0)
        return;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(c), &p[1], sizeof(int));
    printf("%zd\n", sendmsg(s[0], &m, 0));
    m.msg_iov = &w;
    m.msg_controllen = sizeof(control);
    printf("%zd\n", recvmsg(s[1], &m, 0));
    printf("%s %zu\n", text, m.msg_controllen);
    int fd;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
    printf("%zd ", write(fd, "through", 7));
    printf("%zd\n", read(p[0], text, 8));
    printf("%.7s\n", text);
}

static void datagrams(void)
{
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0), one = 0;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at), intlen = sizeof(one);
    char text[16] = "", more[16] = "";
    bind(a, (struct sockaddr *)&at, len);
    getsockname(a, (struct sockaddr *)&at, &len);
    struct iovec v[2] = {{"one", 3}, {"two!", 4}}, w[2] = {{text, 16}, {more, 16}};
    struct mmsghdr out[2] = {{{&at, len, &v[0], 1, NULL, 0, 0}, 0},
                             {{&at, len, &v[1], 1, NULL, 0, 0}, 0}};
    struct mmsghdr in[2] = {{{NULL, 0, &w[0], 1, NULL, 0, 0}, 0},
                            {{NULL, 0, &w[1], 1, NULL, 0, 0}, 0}};
    printf("%d\n", sendmmsg(b, out, 2, 0));
    printf("%u %u\n", out[0].msg_len, out[1].msg_len);
    printf("%d\n", recvmmsg(a, in, 2, 0, NULL));
    printf("%u %s\n", in[1].msg_len, more);
    printf("%d\n", setsockopt(a, SOL_SOCKET, SO_BROADCAST, &(int){1}, sizeof(int)));
    printf("%d\n", getsockopt(a, SOL_SOCKET, SO_BROADCAST, &one, &intlen));
    printf("%d %d\n", one, intlen);
}

static void watch(void)
{
    int fd = inotify_init1(0);
    char buf[512];
    printf("%d\n", inotify_add_watch(fd, ".", IN_CREATE));
    close(open("watched", O_CREAT | O_WRONLY, 0600));
    ssize_t n = read(fd, buf, sizeof(buf));
    struct inotify_event *e = (struct inotify_event *)buf;
    printf("%zd %x %s\n", n, e->mask, e->name);
}

int main(void)
{
    epolls();
    masks();
    timers();
    pass_fd();
    datagrams();
    watch();
    return 0;
}
