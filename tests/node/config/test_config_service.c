/* SPDX-License-Identifier: MIT
 *
 * Sections [service NAME]: what they become, what is wrong with them, and what
 * a reload makes of them.
 */
#include "node/config/config.h"

#include "node/config/config_keys.h"

#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char file[] = "/tmp/warren-config-XXXXXX";
static struct config config;
static struct text errors;

static int setup(void **state)
{
    int fd = mkstemp(file);

    (void)state;
    text_init(&errors, CONFIG_ERRORS_MAX);
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    (void)state;
    text_deinit(&errors);
    return unlink(file);
}

static enum error load(const char *content)
{
    struct config_input input = {.file = file};
    FILE *f = fopen(file, "w");

    assert_non_null(f);
    assert_int_equal(fputs(content, f) < 0, 0);
    assert_int_equal(fclose(f), 0);
    text_clear(&errors);
    return config_load(&input, &config, &errors);
}

static void assert_loads(const char *content)
{
    enum error err = load(content);

    assert_string_equal(text_get(&errors), "");
    assert_int_equal(err, OK);
}

static void test_config_service_sections_become_services(void **state)
{
    const struct config_service *s;
    char buf[ENDPOINT_TEXT_SIZE];

    (void)state;
    assert_loads("[service web]\n"
                 "port = 53 udp 127.0.0.1:5353\n"
                 "port = 9  udp\tunix:/run/x.sock, 65535 udp [::1]:1\n"
                 "[log]\nlevel = debug\n"
                 "[service \t chess.club-2]\n"
                 "string = we play; chess # on Mondays\n"
                 "hops = 1\npoints = 6\nmax_peers = 10000\n");
    assert_int_equal(config.services.count, 2);
    s = &config.services.at[0];
    assert_string_equal(s->name, "web");
    assert_string_equal(s->string, "");
    assert_int_equal(s->hops, 3);
    assert_int_equal(s->points, 3);
    assert_int_equal(s->max_peers, 32);
    assert_int_equal(s->ports.count, 3);
    assert_int_equal(s->ports.at[0].port, 53);
    assert_false(s->ports.at[0].is_unix);
    assert_string_equal(endpoint_print(&s->ports.at[0].to, buf),
                        "127.0.0.1:5353");
    assert_true(s->ports.at[1].is_unix);
    assert_string_equal(s->ports.at[1].path, "/run/x.sock");
    assert_int_equal(s->ports.at[2].port, 65535);
    s = &config.services.at[1];
    assert_string_equal(s->name, "chess.club-2");
    assert_string_equal(s->string, "we play; chess");
    assert_int_equal(s->hops, 1);
    assert_int_equal(s->points, 6);
    assert_int_equal(s->max_peers, 10000);
    assert_int_equal(s->ports.count, 0);
    assert_int_equal(config.log.level, LEVEL_DEBUG);
}

/* A port may have datagrams and streams, each with a server of its own. */
static void test_config_service_ports_of_streams(void **state)
{
    const struct config_port *at = config.services.at[0].ports.at;
    char text[CONFIG_PORT_TEXT];

    (void)state;
    assert_loads("[service a]\nport = 80 tcp 127.0.0.1:8080\n"
                 "port = 80 udp 127.0.0.1:5353\n"
                 "port = 81\ttcp unix:/run/web proxy\n");
    assert_int_equal(config.services.at[0].ports.count, 3);
    assert_true(at[0].is_tcp && !at[0].tells_peer && !at[0].is_unix);
    assert_false(at[1].is_tcp);
    assert_true(at[2].is_tcp && at[2].tells_peer && at[2].is_unix);
    assert_string_equal(config_port_print(&at[0], text),
                        "80 tcp 127.0.0.1:8080");
    assert_string_equal(config_port_print(&at[1], text),
                        "80 udp 127.0.0.1:5353");
    assert_string_equal(config_port_print(&at[2], text),
                        "81 tcp unix:/run/web proxy");
}

static void test_config_service_engine_gets_its_settings(void **state)
{
    (void)state;
    assert_loads("[tunnel]\nintroduce = no\n[meeting]\nmax_cookies = 99\n"
                 "[services]\nmax_services = 3\nmax_peers = 4\n"
                 "max_connects = 5\njoin_rate = 6\nmax_queue = 7\n"
                 "max_work = 8s\nmax_sockets = 9\nidle_timeout = 10s\n");
    assert_int_equal(config.tunnel.service.max_services, 3);
    assert_int_equal(config.tunnel.service.max_peers, 4);
    assert_int_equal(config.tunnel.service.max_connects, 5);
    assert_int_equal(config.tunnel.service.join_rate, 6);
    assert_int_equal(config.tunnel.service.max_queue, 7);
    assert_true(config.tunnel.service.max_work == 8 * TIME_S);
    assert_false(config.tunnel.introduces);
    assert_int_equal(config.tunnel.meeting.max_cookies, 99);
    assert_int_equal(config.tunnel.meeting.service_rate, 25);
    assert_int_equal(config.max_service_sockets, 9);
    assert_true(config.service_idle_timeout == 10 * TIME_S);
}

#define MUST_BE_PORT                                                   \
    " but must be PORT udp ADDR:PORT, PORT tcp ADDR:PORT, or with "    \
    "unix:/PATH as the address, like 80 tcp 127.0.0.1:8080; behind a " \
    "port of tcp may stand proxy"
#define MUST_BE_NAME                                                    \
    " must be [service NAME], a name of 1 to 31 letters, digits, '-', " \
    "'_' or '.', beginning with a letter or a digit"

static const struct {
    const char *content, *expected;
} bad[] = {
    {"[service]\nhops = 9\n", "1: [service]" MUST_BE_NAME},
    {"[service a/b]\n", "1: [service a/b]" MUST_BE_NAME},
    {"[service -a]\n", "1: [service -a]" MUST_BE_NAME},
    {"[service a b]\n", "1: [service a b]" MUST_BE_NAME},
    {"[service abcdefghijklmnopqrstuvwxyz012345]\n",
     "1: [service abcdefghijklmnopqrstuvwxyz012345]" MUST_BE_NAME},
    {"[service a]\n[log]\n[service a]\nhops = 9\n",
     "3: [service a] stands twice, first on line 1; leave one"},
    {"[servce a]\n", "1: unknown section [servce a]; there are [node] [dht] "
                     "[mainline] [tunnel] [exit] [services] [meeting] "
                     "[socks] [dns] [streams] [http] [log]"},
    {"[service a]\nhop = 3\n",
     "2: unknown key 'hop' in [service a]; did you mean 'hops'?"},
    {"[service a]\nlevel = 3\n",
     "2: unknown key 'level' in [service a]; there are string, hops, points, "
     "max_peers and port"},
    {"[service a]\nhops = 3\nhops = 3\n",
     "3: hops is set twice, first on line 2; leave one"},
    {"[service a]\nstring = x.Warren\n",
     "2: string is 'x.Warren' but must be a text that does not end in .warren, "
     "as addresses do"},
    {"[service a]\nhops = 4\n",
     "2: hops is '4' but must be a number of hops from 1 to 3: a circuit has "
     "four hops at most, and the last one is a relay that somebody else has "
     "chosen"},
    {"[service a]\nhops = 0\n",
     "2: hops is '0' but must be a number of hops from 1 to 3"},
    {"[service a]\npoints = 7\n",
     "2: points is '7' but must be a whole number from 1 to 6"},
    {"[service a]\nport = 53\n", "2: port is '53'" MUST_BE_PORT},
    {"[service a]\nport = 0 udp 127.0.0.1:1\n",
     "2: port is '0 udp 127.0.0.1:1'" MUST_BE_PORT},
    {"[service a]\nport = 1 udp 127.0.0.1\n",
     "2: port is '1 udp 127.0.0.1'" MUST_BE_PORT},
    {"[service a]\nport = 1 udp 127.0.0.1:0\n",
     "2: port is '1 udp 127.0.0.1:0'" MUST_BE_PORT},
    {"[service a]\nport = 1 udp unix:x\n",
     "2: port is '1 udp unix:x'" MUST_BE_PORT},
    {"[service a]\nport = 1 udp 127.0.0.1:1 2\n",
     "2: port is '1 udp 127.0.0.1:1 2'" MUST_BE_PORT},
    {"[service a]\nport = 80 sctp 127.0.0.1:80\n",
     "2: port is '80 sctp 127.0.0.1:80'" MUST_BE_PORT},
    {"[service a]\nport = 80 udp 127.0.0.1:80 proxy\n",
     "2: port is '80 udp 127.0.0.1:80 proxy'" MUST_BE_PORT},
    {"[service a]\nport = 80 tcp 127.0.0.1:80 proxy 2\n",
     "2: port is '80 tcp 127.0.0.1:80 proxy 2'" MUST_BE_PORT},
    {"[service a]\nport = 1 udp 127.0.0.1:1\nport = 1 udp 127.0.0.1:2\n",
     "3: port is '1 udp 127.0.0.1:2' but must be a port of its own; 1 "
     "udp is there already"},
};

static void test_config_service_mistakes_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char full[2048];

        snprintf(full, sizeof(full), "%s:%s\n", file, bad[i].expected);
        assert_int_equal(load(bad[i].content), ERR_SYNTAX);
        assert_string_equal(text_get(&errors), full);
    }
}

static void test_config_service_caps_are_errors(void **state)
{
    struct text content;

    (void)state;
    text_init(&content, 65536);
    for (unsigned i = 0; i < CONFIG_SERVICES_MAX; i++)
        text_addf(&content, "[service s%u]\n", i);
    for (unsigned i = 0; i < CONFIG_PORTS_MAX; i++)
        text_addf(&content, "port = %u udp 127.0.0.1:1\n", i + 1);
    assert_loads(text_get(&content));
    assert_int_equal(config.services.count, CONFIG_SERVICES_MAX);
    assert_int_equal(config.services.at[CONFIG_SERVICES_MAX - 1].ports.count,
                     CONFIG_PORTS_MAX);
    text_add(&content, "port = 99 udp 127.0.0.1:1\n[service one.more]\n");
    assert_int_equal(load(text_get(&content)), ERR_SYNTAX);
    assert_non_null(strstr(text_get(&errors), "at most 8 ports"));
    assert_non_null(strstr(text_get(&errors), "there can be 16 services"));
    text_clear(&content);
    text_add(&content, "[service a]\nstring = ");
    for (unsigned i = 0; i < 255; i++)
        text_add(&content, "x");
    assert_loads(text_get(&content));
    text_add(&content, "x");
    assert_int_equal(load(text_get(&content)), ERR_SYNTAX);
    assert_non_null(strstr(text_get(&errors), "at most 255 bytes"));
    text_deinit(&content);
}

static void test_config_service_reload_takes_sections_as_they_are(void **state)
{
    struct config running;
    struct text report;

    (void)state;
    text_init(&report, 4096);
    assert_loads("[service a]\n[service b]\nhops = 2\n");
    running = config;
    assert_loads("[service b]\nhops = 1\nport = 1 udp 127.0.0.1:1\n"
                 "[service c]\n");
    config_reload(&running, &config, &report);
    assert_string_equal(text_get(&report), "");
    assert_int_equal(running.services.count, 2);
    assert_string_equal(running.services.at[0].name, "b");
    assert_int_equal(running.services.at[0].hops, 1);
    assert_int_equal(running.services.at[0].ports.count, 1);
    assert_string_equal(running.services.at[1].name, "c");
    text_deinit(&report);
}

static void test_config_service_is_explained_with_the_defaults(void **state)
{
    struct text printed;

    (void)state;
    text_init(&printed, 65536);
    config_print_defaults(&printed);
    assert_non_null(strstr(text_get(&printed), "\n# [service NAME]\n"));
    for (size_t i = 0; i < CONFIG_SERVICE_KEYS; i++) {
        char line[64];

        snprintf(line, sizeof(line), "\n# %s =", config_service_keys[i].name);
        assert_non_null(strstr(text_get(&printed), line));
    }
    text_deinit(&printed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_service_sections_become_services),
        cmocka_unit_test(test_config_service_ports_of_streams),
        cmocka_unit_test(test_config_service_engine_gets_its_settings),
        cmocka_unit_test(test_config_service_mistakes_are_named),
        cmocka_unit_test(test_config_service_caps_are_errors),
        cmocka_unit_test(test_config_service_reload_takes_sections_as_they_are),
        cmocka_unit_test(test_config_service_is_explained_with_the_defaults),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
