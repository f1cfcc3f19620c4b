/*
 * The --net option, and addresses of cards.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/cmocka_all.h"

#include "backend/net/net.h"

static void kinds_are_parsed(void **state)
{
    struct net_options o;

    (void)state;
    assert_int_equal(net_options_parse(&o, "user", NULL), 0);
    assert_int_equal(o.kind, NET_USER);
    assert_int_equal(o.nforward, 0);
    assert_int_equal(net_options_parse(&o, "none", NULL), 0);
    assert_int_equal(o.kind, NET_NONE);
    assert_int_equal(net_options_parse(&o, "tap=fifteen-letters", NULL), 0);
    assert_int_equal(o.kind, NET_TAP);
    assert_string_equal(o.tap, "fifteen-letters");
}

static void forwards_are_parsed(void **state)
{
    struct net_options o;

    (void)state;
    assert_int_equal(net_options_parse(&o,
                                       "user,forward=tcp:127.0.0.1:2222:22,forward=udp::53:5353,"
                                       "forward=tcp:0.0.0.0:80:10.0.2.16:8080",
                                       NULL),
                     0);
    assert_int_equal(o.nforward, 3);
    assert_false(o.forward[0].udp);
    assert_string_equal(o.forward[0].host_addr, "127.0.0.1");
    assert_int_equal(o.forward[0].host_port, 2222);
    assert_int_equal(o.forward[0].guest_port, 22);
    assert_string_equal(o.forward[0].guest_addr, "");
    assert_true(o.forward[1].udp);
    assert_string_equal(o.forward[1].host_addr, "");
    assert_int_equal(o.forward[1].guest_port, 5353);
    assert_string_equal(o.forward[2].guest_addr, "10.0.2.16");
    assert_int_equal(o.forward[2].guest_port, 8080);
}

static void bad_options_are_refused(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "unknown network ''"},
        {"usr", "unknown network 'usr'"},
        {"user,", "unknown option ''"},
        {"user,fwd=1", "unknown option 'fwd=1'"},
        {"none,forward=tcp::1:1", "only 'user' has options"},
        {"tap=x,forward=tcp::1:1", "only 'user' has options"},
        {"tap=", "no name"},
        {"tap=sixteen-letters-", "no name"},
        {"tap=a/b", "no name"},
        {"user,forward=", "four parts"},
        {"user,forward=tcp:1:2", "four parts"},
        {"user,forward=tcp::1:::2", "four parts"},
        {"user,forward=sctp::1:2", "neither tcp nor udp"},
        {"user,forward=tcp:localhost:1:2", "host address"},
        {"user,forward=tcp:1.2.3:1:2", "host address"},
        {"user,forward=tcp::1:x:2", "guest address"},
        {"user,forward=tcp::0:2", "1 to 65535"},
        {"user,forward=tcp::1:65536", "1 to 65535"},
        {"user,forward=tcp::-1:2", "1 to 65535"},
        {"user,forward=tcp::1:", "1 to 65535"},
        {"user,forward=tcp:: 1:2", "1 to 65535"},
    };
    struct net_options o;
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(net_options_parse(&o, bad[i].text, &err), -EINVAL);
        if (!strstr(err.text, bad[i].says)) {
            fail_msg("%s: '%s' does not say '%s'", bad[i].text, err.text, bad[i].says);
        }
    }
}

static void forwards_are_bounded(void **state)
{
    char text[1024] = "user";
    struct net_options o;

    (void)state;
    for (int i = 0; i < 16; i++) {
        strcat(text, ",forward=tcp::1:1");
    }
    assert_int_equal(net_options_parse(&o, text, NULL), 0);
    strcat(text, ",forward=tcp::1:1");
    assert_int_equal(net_options_parse(&o, text, NULL), -EINVAL);
}

static void addresses_are_stable_and_local(void **state)
{
    uint8_t a[6], b[6];

    (void)state;
    net_mac_from_seed(a, "one/net0");
    net_mac_from_seed(b, "one/net0");
    assert_memory_equal(a, b, 6);
    assert_int_equal(a[0] & 3, 2);
    net_mac_from_seed(b, "one/net1");
    assert_memory_not_equal(a, b, 6);
    net_mac_from_seed(b, "");
    assert_int_equal(b[0] & 3, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_parsed),
        cmocka_unit_test(forwards_are_parsed),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(forwards_are_bounded),
        cmocka_unit_test(addresses_are_stable_and_local),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
