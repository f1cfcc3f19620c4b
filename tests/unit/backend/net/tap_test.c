/*
 * Tap interfaces: sentences always; frames where the host lets us make an interface.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/cmocka_all.h"

#include "wire.h"

enum { FRAME = 64, ETHERTYPE = 0x88b5 }; /* [IEEE 802, local experimental 1] */

static int setup(void **state)
{
    struct wire *w = malloc(sizeof(*w));

    wire_setup(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    wire_teardown(*state);
    free(*state);
    return 0;
}

/* Makes or removes a tap interface that outlives its descriptor; false: not allowed here. */
static bool persistent_tap(const char *name, bool on)
{
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    strcpy(ifr.ifr_name, name);
    bool ok = fd >= 0 && ioctl(fd, TUNSETIFF, &ifr) == 0 && ioctl(fd, TUNSETPERSIST, on) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

static void missing_interface_is_a_sentence(void **state)
{
    struct wire *w = *state;

    int rc = wire_open(w, "tap=dpl-none");
    if (rc == -EPERM || rc == -EACCES || rc == -ENOENT)
        skip();
    assert_int_equal(rc, -ENODEV);
    assert_non_null(strstr(w->err.text, "there is no tap interface 'dpl-none'"));
}

static void no_permission_is_a_sentence(void **state)
{
    struct wire *w = *state;
    char options[32];
    int status;

    snprintf(options, sizeof(options), "tap=dpq%d", getpid() % 100000);
    if (!persistent_tap(options + 4, true))
        skip();
    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && setuid(65534) != 0) {
            _exit(2);
        }
        int rc = wire_open(w, options);
        /* Without the device there is another sentence, and nothing to be forbidden. */
        _exit(rc < 0 && (strstr(w->err.text, "no permission") || access("/dev/net/tun", F_OK) != 0)
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(persistent_tap(options + 4, false));
    assert_int_equal(status, 0);
}

static void another_kind_of_interface_is_refused(void **state)
{
    struct wire *w = *state;

    int rc = wire_open(w, "tap=lo");
    if (rc == -EPERM || rc == -EACCES || rc == -ENOENT) {
        skip();
    }
    assert_int_equal(rc, -EINVAL);
    assert_non_null(strstr(w->err.text, "'lo' is not a tap interface"));
}

static int packet_socket(const char *name)
{
    struct ifreq ifr = {0};
    int s = socket(AF_PACKET, SOCK_RAW, htons(ETHERTYPE));

    strcpy(ifr.ifr_name, name);
    assert_true(s >= 0);
    assert_int_equal(ioctl(s, SIOCGIFFLAGS, &ifr), 0);
    ifr.ifr_flags |= IFF_UP;
    assert_int_equal(ioctl(s, SIOCSIFFLAGS, &ifr), 0);
    struct sockaddr_ll a = {.sll_family = AF_PACKET,
                            .sll_protocol = htons(ETHERTYPE),
                            .sll_ifindex = (int)if_nametoindex(name)};
    assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
    return s;
}

static bool is_ours(const uint8_t *frame, size_t len, void *opaque)
{
    (void)opaque;
    return len >= FRAME && frame[12] == ETHERTYPE >> 8 && frame[13] == (ETHERTYPE & 0xff);
}

static void frames_pass_both_ways(void **state)
{
    struct wire *w = *state;
    uint8_t out[FRAME] = {0x02, 1, 1, 1, 1, 1, 0x02, 2, 2, 2, 2, 2, 0x88, 0xb5, 'x'};
    uint8_t in[WIRE_FRAME];
    char options[32];

    snprintf(options, sizeof(options), "tap=dpl%d", getpid() % 100000);
    if (!persistent_tap(options + 4, true)) {
        skip();
    }
    int rc = wire_open(w, options);
    assert_int_equal(rc, 0);
    int s = packet_socket(options + 4);
    wire_send(w, out, FRAME);
    assert_int_equal(recv(s, in, sizeof(in), 0), FRAME);
    assert_memory_equal(in, out, FRAME);
    wire_set_full(w, true);
    for (int i = 0; i < 5; i++) {
        out[15] = (uint8_t)i;
        assert_int_equal(send(s, out, FRAME, 0), FRAME);
    }
    usleep(20000);
    wire_set_full(w, false);
    for (int i = 0; i < 5; i++) {
        assert_true(wire_expect(w, is_ours, NULL, in) >= FRAME);
        assert_int_equal(in[15], i);
    }
    close(s);
    wire_teardown(w); /* lets go of the interface, so that it can be removed */
    assert_true(persistent_tap(options + 4, false));
    wire_setup(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(missing_interface_is_a_sentence, setup, teardown),
        cmocka_unit_test_setup_teardown(no_permission_is_a_sentence, setup, teardown),
        cmocka_unit_test_setup_teardown(another_kind_of_interface_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(frames_pass_both_ways, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
