/* SPDX-License-Identifier: MIT */
#include "node/config/config.h"

#include "node/config/config_keys.h"
#include "node/config/config_source.h"

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

static void write_file_bytes(const char *content, size_t len)
{
    FILE *f = fopen(file, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(content, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

/* "[section] key = value" of each key. */
static void print_all(const struct config *c, struct text *out)
{
    for (size_t i = 0; i < config_keys_count; i++) {
        const struct setting_key *key = &config_keys[i];

        text_addf(out, "[%s] %s = ", key->section, key->name);
        setting_print(key, c, out);
        text_add(out, "\n");
    }
}

/* What the file, the variables and the flags (NULL at their end, or NULL)
 * make; the mistakes are in `errors`. */
static enum error load(const char *content, const char *const *environment,
                       const char *const *argv)
{
    /* As main has them: pointers to const are for the literals of tests. */
    struct config_input input = {
        .environment = (char *const *)(uintptr_t)environment,
        .argv = (char *const *)(uintptr_t)argv,
    };

    if (content != NULL) {
        write_file_bytes(content, strlen(content));
        input.file = file;
    }
    while (argv != NULL && argv[input.argc] != NULL)
        input.argc++;
    text_clear(&errors);
    return config_load(&input, &config, &errors);
}

static void assert_loads(const char *content)
{
    enum error err = load(content, NULL, NULL);

    assert_string_equal(text_get(&errors), "");
    assert_int_equal(err, OK);
}

/* `expected` is what follows the file's name and the colon. */
static void assert_fails(const char *content, const char *expected)
{
    char full[2048];

    snprintf(full, sizeof(full), "%s:%s\n", file, expected);
    assert_int_equal(load(content, NULL, NULL), ERR_SYNTAX);
    assert_string_equal(text_get(&errors), full);
}

static void test_config_defaults_are_what_the_documents_say(void **state)
{
    char text[ENDPOINT_TEXT_SIZE];

    (void)state;
    assert_int_equal(load(NULL, NULL, NULL), OK);
    assert_int_equal(config.listen.count, 2);
    assert_string_equal(endpoint_print(&config.listen.at[0], text),
                        "0.0.0.0:7881");
    assert_string_equal(endpoint_print(&config.listen.at[1], text),
                        "[::]:7881");
    assert_string_equal(config.dht.network, "main");
    assert_true(config.dht.family[FAMILY_IPV4]);
    assert_true(config.dht.family[FAMILY_IPV6]);
    assert_false(config.dht.testing_network);
    assert_int_equal(config.bootstrap.count, 0);
    assert_true(config.http.on);
    assert_string_equal(endpoint_print(&config.http.listen, text),
                        "127.0.0.1:7882");
    assert_int_equal(config.log.level, LEVEL_INFO);
    assert_int_equal(config.log.format, LOG_TEXT);
    assert_false(config.log.addresses);
    assert_int_equal(config.receive_buffer, 4 << 20);
    assert_true(config.dht.peer_lifetime == 30 * TIME_MIN);
    assert_true(config.dht.item_lifetime == 2 * TIME_HOUR);
}

/* The engine has defaults of its own, for the simulator and for tests. */
static void test_config_defaults_are_those_of_the_engine(void **state)
{
    struct config engine;
    struct text ours, theirs;

    (void)state;
    text_init(&ours, 65536);
    text_init(&theirs, 65536);
    assert_int_equal(load(NULL, NULL, NULL), OK);
    engine = config;
    dht_config_init(&engine.dht);
    member_config_init(&engine.tunnel);
    print_all(&config, &ours);
    print_all(&engine, &theirs);
    assert_string_equal(text_get(&ours), text_get(&theirs));
    assert_memory_equal(engine.dht.family, config.dht.family,
                        sizeof(config.dht.family));
    assert_string_equal(engine.dht.network, config.dht.network);
    text_deinit(&ours);
    text_deinit(&theirs);
}

/* Takes away the # of each line that is a default. */
static void uncomment(const char *printed, struct text *out)
{
    while (*printed != '\0') {
        size_t len = strcspn(printed, "\n");

        /* These two depend on who reads it. */
        if (printed[0] != '#' || printed[1] == ' ' ||
            strstr(printed, "#data_dir") == printed ||
            strstr(printed, "#control") == printed)
            text_addf(out, "%.*s\n", (int)len, printed);
        else
            text_addf(out, "%.*s\n", (int)len - 1, printed + 1);
        printed += len + (printed[len] == '\n');
    }
}

/* The file is read in a terminal. */
static void test_config_printed_defaults_fit_the_screen(void **state)
{
    struct text printed;

    (void)state;
    text_init(&printed, 65536);
    config_print_defaults(&printed);
    for (const char *p = text_get(&printed); *p; p += strcspn(p, "\n") + 1)
        assert_in_range(strcspn(p, "\n"), 0, 80);
    assert_null(strstr(text_get(&printed), " \n"));
    text_deinit(&printed);
}

static void test_config_printed_defaults_load_as_the_defaults(void **state)
{
    struct text printed, before, after, bare;

    (void)state;
    text_init(&printed, 65536);
    text_init(&before, 65536);
    text_init(&after, 65536);
    assert_int_equal(load(NULL, NULL, NULL), OK);
    print_all(&config, &before);
    config_print_defaults(&printed);
    assert_false(printed.truncated);
    assert_loads(text_get(&printed));
    assert_true(config.http_is_default); /* the file has decided nothing */
    print_all(&config, &after);
    assert_string_equal(text_get(&before), text_get(&after));
    text_init(&bare, 65536);
    uncomment(text_get(&printed), &bare);
    assert_loads(text_get(&bare));
    assert_false(config.http_is_default);
    text_clear(&after);
    print_all(&config, &after);
    assert_string_equal(text_get(&before), text_get(&after));
    for (size_t i = 0; i < config_keys_count; i++)
        assert_non_null(strstr(text_get(&printed), config_keys[i].name));
    text_deinit(&bare);
    text_deinit(&printed);
    text_deinit(&before);
    text_deinit(&after);
}

static void test_config_tunnel_settings_reach_the_engine(void **state)
{
    struct text printed;

    (void)state;
    text_init(&printed, 65536);
    assert_loads("[node]\nnetwork = lab\ntesting_network = on\n"
                 "listen = 127.0.0.1:1\n"
                 "[tunnel]\nbuild = 3\nbuild = 1\nmax_traffic = 100g\n"
                 "family = ours\nbandwidth = 5m\naddresses = 127.0.0.1:7\n"
                 "relays = 127.0.0.2:1, [::1]:2\n"
                 "[exit]\nbecome_exitnode = yes\n"
                 "policy = reject 192.0.2.0/24:25, accept *:1-1023\n"
                 "nameservers = 127.0.0.3:53\nsilent_rate = 9\n");
    assert_string_equal(config.tunnel.network, "lab");
    assert_true(config.tunnel.testing_network);
    assert_true(config.tunnel.family[FAMILY_IPV4]);
    assert_false(config.tunnel.family[FAMILY_IPV6]);
    assert_true(config.tunnel_build[1] && config.tunnel_build[3]);
    assert_false(config.tunnel_build[2] || config.tunnel_build[4]);
    assert_true(config.tunnel.max_traffic == (uint64_t)100 << 30);
    assert_true(config.tunnel.queue.bandwidth == 5 << 20);
    assert_true(config.tunnel.has_family_id);
    assert_int_equal(config.tunnel_addresses.at[0].port, 7);
    assert_int_equal(config.tunnel_relays.count, 2);
    assert_true(config.tunnel.become_exitnode);
    assert_int_equal(config.exit_policy.count, 2);
    assert_int_equal(config.exit_nameservers.at[0].port, 53);
    assert_int_equal(config.tunnel.exit.silent_rate, 9);
    print_all(&config, &printed);
    assert_non_null(strstr(text_get(&printed), "[tunnel] build = 1, 3\n"));
    assert_non_null(strstr(text_get(&printed),
                           "policy = reject 192.0.2.0/24:25, accept "
                           "*:1-1023\n"));
    text_deinit(&printed);
}

static void assert_tcp_lines(const char *const *lines, unsigned count)
{
    char text[POLICY_LINE_SIZE];

    assert_int_equal(config.exit_tcp_lines.count, count);
    for (unsigned i = 0; i < count; i++)
        assert_string_equal(
            policy_print_line(&config.exit_tcp_lines.lines[i], text), lines[i]);
}

/* Who has said where datagrams go has said it of streams, too, and who says it
 * of streams alone. */
static void test_config_tcp_policy_follows_that_of_datagrams(void **state)
{
    static const char *const usual[] = {
        "reject *:25",  "reject *:119", "reject *:135-139", "reject *:445",
        "reject *:563", "reject *:25",  "accept *"};
    static const char *const narrow[] = {
        "reject *:25",  "reject *:119", "reject *:135-139",
        "reject *:445", "reject *:563", "accept 192.0.2.0/24",
        "reject *"};
    static const char *const said[] = {"accept *:25"};

    (void)state;
    assert_loads("");
    assert_true(config.tunnel.exit_tcp);
    assert_tcp_lines(usual, 7);
    assert_loads("[exit]\npolicy = accept 192.0.2.0/24, reject *\n");
    assert_tcp_lines(narrow, 7);
    assert_loads("[exit]\ntcp = no\ntcp_policy = accept *:25\n");
    assert_false(config.tunnel.exit_tcp);
    assert_tcp_lines(said, 1);
}

static void test_config_policy_has_a_cap(void **state)
{
    char text[64 * 12 + 32] = "[exit]\npolicy = accept *";

    (void)state;
    for (int i = 1; i < 64; i++)
        strcat(text, ", accept *");
    assert_loads(text);
    assert_int_equal(config.exit_policy.count, 64);
    assert_int_equal(config.exit_tcp_lines.count, 69);
    strcat(text, ", accept *");
    assert_int_equal(load(text, NULL, NULL), ERR_SYNTAX);
    assert_non_null(
        strstr(text_get(&errors), "one of at most 64 lines; leave it out"));
}

/* Relays of one operator name the same family, others another. */
static void test_config_family_is_a_name_of_all_its_relays(void **state)
{
    uint8_t a[32], b[32], c[32];

    (void)state;
    assert_true(config_family_id("ours", a));
    assert_true(config_family_id("ours", b));
    assert_true(config_family_id("theirs", c));
    assert_memory_equal(a, b, sizeof(a));
    assert_memory_not_equal(a, c, sizeof(a));
    assert_false(config_family_id("", a));
}

static void test_config_table_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_keys_count; i++) {
        const struct setting_key *key = &config_keys[i];

        assert_ptr_equal(config_key_find(key->section, key->name), key);
        assert_true(key->meaning[0] != '\0');
        assert_true(key->min <= key->max);
        assert_true(!key->type->list || key->size > key->max);
        if (key->type->units != NULL && key->size == sizeof(unsigned))
            assert_true(key->max > 0 && key->max <= UINT32_MAX);
        if (key->flag_value != NULL)
            assert_non_null(key->flag);
    }
}

static void test_config_file_sets_every_type(void **state)
{
    char text[ENDPOINT_TEXT_SIZE];

    (void)state;
    assert_loads("\xef\xbb\xbf# a comment\r\n"
                 "; another\r\n"
                 "[node]\r\n"
                 "  data_dir=/srv/warren dir ; and why\r\n"
                 "listen = 127.0.0.1:1 , [::1]:2\r\n"
                 "listen = 127.0.0.2:3,\r\n"
                 "network\t=\tlab-1\r\n"
                 "testing_network = yes\r\n"
                 "receive_buffer = 64k\r\n"
                 "[ dht ]\r\n"
                 "bootstrap = a.example:1, [2001:db8::1]:2\r\n"
                 "bootstrap = 192.0.2.1:3 # third\r\n"
                 "max_items = 1\r\n"
                 "query_timeout = 1500ms\r\n"
                 "[tunnel]\r\n[exit]\r\n[http]\r\nlisten =\r\n"
                 "[log]\r\nlevel = debug\r\nformat = json\r\n"
                 "[node]\r\ncontrol = /tmp/c");
    assert_string_equal(config.data_dir, "/srv/warren dir");
    assert_int_equal(config.listen.count, 3);
    assert_string_equal(endpoint_print(&config.listen.at[2], text),
                        "127.0.0.2:3");
    assert_string_equal(config.dht.network, "lab-1");
    assert_true(config.dht.testing_network);
    assert_int_equal(config.receive_buffer, 65536);
    assert_int_equal(config.bootstrap.count, 3);
    assert_string_equal(config.bootstrap.at[0].host, "a.example");
    assert_string_equal(config.bootstrap.at[1].host, "2001:db8::1");
    assert_int_equal(config.bootstrap.at[1].port, 2);
    assert_string_equal(config.bootstrap.at[2].host, "192.0.2.1");
    assert_int_equal(config.dht.max_items, 1);
    assert_true(config.dht.query_timeout == 1500 * TIME_MS);
    assert_false(config.http.on);
    assert_int_equal(config.log.level, LEVEL_DEBUG);
    assert_int_equal(config.log.format, LOG_JSON);
    assert_string_equal(config.control, "/tmp/c");
}

#define COUNT_RULE(name, value, max) \
    name " is '" value "' but must be a whole number from 1 to " max
#define HOST_RULE(value)                                       \
    "2: bootstrap is '" value "' but must be HOST:PORT, like " \
    "node.example.org:7881, 192.0.2.1:7881 or [2001:db8::1]:7881"
#define LISTEN_RULE(value)                                                  \
    "2: listen is '" value "' but must be ADDR:PORT, like 0.0.0.0:7881 or " \
    "[::]:7881"
#define SIZE_RULE(value)                                                  \
    "2: receive_buffer is '" value "' but must be a size from 4k to 1g, " \
    "like 512k or 4m"
#define TIME_RULE(value)                                                     \
    "2: peer_lifetime is '" value "' but must be a duration from 1s to 7d, " \
    "like 30s, 15m or 2h"
#define NAME_RULE(value)                                                   \
    "2: network is '" value "' but must be 1 to 32 letters, digits, '-', " \
    "'_' or '.'"

#define POLICY_RULE(value, reason)                                         \
    "2: policy is '" value "' but must be accept or reject with "          \
    "ADDR[/BITS][:PORT[-PORT]], like accept *:443 or reject 192.0.2.0/24 " \
    "(" reason ")"

static const struct {
    const char *content, *expected;
} bad_files[] = {
    {"listen = 1.2.3.4:5\n",
     "1: key 'listen' stands before any section; begin with a line like "
     "[node]"},
    {"[node\n", "1: a section's line must be [NAME]; the ] is missing"},
    {"[\n", "1: a section's line must be [NAME]; the ] is missing"},
    {"[]\n",
     "1: unknown section []; there are [node] [dht] [mainline] [tunnel] [exit] "
     "[services] [meeting] [socks] [dns] [streams] [http] [log]"},
    {"\n\n[dth]\nmax_items = x\n",
     "3: unknown section [dth]; did you mean [dht]?"},
    {"[storage]\n",
     "1: unknown section [storage]; there are [node] [dht] [mainline] "
     "[tunnel] [exit] [services] [meeting] [socks] [dns] "
     "[streams] [http] [log]"},
    {"[Node]\n", "1: unknown section [Node]; did you mean [node]?"},
    {"[node]\nlisten\n", "2: neither a section nor a setting; write "
                         "[SECTION] or KEY = VALUE"},
    {"[node]\n= 3\n", "2: there is no key before the =; write KEY = VALUE"},
    {"[dht]\nbootsrap = a:1\n",
     "2: unknown key 'bootsrap' in [dht]; did you mean 'bootstrap'?"},
    {"[dht]\nlevel = info\n",
     "2: unknown key 'level' in [dht]; it belongs in [log]"},
    {"[dht]\ncolour = red\n", "2: unknown key 'colour' in [dht]; `warren "
                              "config default` shows all keys"},
    {"[tunnel]\nmax_circuit = 3\n",
     "2: unknown key 'max_circuit' in [tunnel]; did you mean 'max_circuits'?"},
    {"[tunnel]\nbuild = 3, 5\n",
     "2: build is '5' but must be a number of hops from 1 to 4"},
    {"[tunnel]\nmin_circuits = 33\n",
     "2: min_circuits in [tunnel] is more than max_circuits; raise that or "
     "lower this"},
    {"[tunnel]\nmax_traffic = 1k\n",
     "2: max_traffic is '1k' but must be a size from 1m to 1048576g, like "
     "512k or 4m"},
    {"[tunnel]\naddresses = 192.0.2.1\n",
     "2: addresses is '192.0.2.1' but must be ADDR:PORT, like "
     "192.0.2.1:7881 or [2001:db8::1]:7881"},
    {"[tunnel]\naddresses = 1.0.0.1:1, 1.0.0.1:2, 1.0.0.1:3, 1.0.0.1:4, "
     "1.0.0.1:5\n",
     "2: addresses is '1.0.0.1:5' but must be one of at most 4 addresses; "
     "leave it out, and what follows it"},
    {"[tunnel]\nfamily = my relays\n",
     "2: family is 'my relays' but must be up to 32 letters, digits, '-', "
     "'_' or '.'"},
    {"[exit]\npolicy = accept *:443, allow *\n",
     POLICY_RULE("allow *", "\"allow\": a line begins with accept or reject")},
    {"[exit]\npolicy = reject 10.0.0.1/8\n",
     POLICY_RULE("reject 10.0.0.1/8",
                 "\"10.0.0.1\": the network of /8 is 10.0.0.0")},
    {"[exit]\npolicy = reject 10.0.0.0/33\n",
     POLICY_RULE("reject 10.0.0.0/33",
                 "\"33\": a prefix length is 0 to 32 here")},
    {"[exit]\npolicy = accept *:0\n",
     POLICY_RULE("accept *:0",
                 "\"0\": a port is * or 1 to 65535, a range FIRST-LAST")},
    {"[tunnel]\naddresses = 192.0.2.1:0\n",
     "2: addresses is '192.0.2.1:0' but must be an address with a port from 1 "
     "to 65535"},
    {"[tunnel]\nrelays = 0.0.0.0:7881\n",
     "2: relays is '0.0.0.0:7881' but must be the address of one machine"},
    {"[node]\nnetwork = a\nnetwork = b\n",
     "3: network is set twice, first on line 2; leave one"},
    {"[node]\ntesting_network = maybe\n",
     "2: testing_network is 'maybe' but must be true or false"},
    {"[node]\ntesting_network =\n",
     "2: testing_network is '' but must be true or false"},
    {"[node]\nlisten = 0.0.0.0\n", LISTEN_RULE("0.0.0.0")},
    {"[node]\nlisten = localhost:1\n", LISTEN_RULE("localhost:1")},
    {"[node]\nlisten = ::1:1\n", LISTEN_RULE("::1:1")},
    {"[node]\nlisten = 1.2.3.4:65536\n", LISTEN_RULE("1.2.3.4:65536")},
    {"[node]\nlisten = 127.0.0.1:1, x\n", LISTEN_RULE("x")},
    {"[node]\nlisten = 127.0.0.1:1, 127.0.0.1:1\n",
     "2: listen is '127.0.0.1:1' but must be given once; it is in the list "
     "already"},
    {"[node]\nlisten =\n", "2: listen in [node] is empty but must be "
                           "ADDR:PORT, like 0.0.0.0:7881 or [::]:7881"},
    {"[node]\nnetwork =\n", NAME_RULE("")},
    {"[node]\nnetwork = a b\n", NAME_RULE("a b")},
    {"[node]\nnetwork = 123456789012345678901234567890123\n",
     NAME_RULE("123456789012345678901234567890123")},
    {"[node]\ndata_dir =\n",
     "2: data_dir is '' but must be a path of 1 to 1023 bytes"},
    {"[node]\nreceive_buffer = 4095\n", SIZE_RULE("4095")},
    {"[node]\nreceive_buffer = 1025m\n", SIZE_RULE("1025m")},
    {"[node]\nreceive_buffer = 5 m\n", SIZE_RULE("5 m")},
    {"[node]\nreceive_buffer = m\n", SIZE_RULE("m")},
    {"[node]\nreceive_buffer = 17179869184g\n", SIZE_RULE("17179869184g")},
    {"[dht]\nmax_items = 0\n", "2: " COUNT_RULE("max_items", "0", "10000000")},
    {"[dht]\nmax_items = 10000001\n",
     "2: " COUNT_RULE("max_items", "10000001", "10000000")},
    {"[dht]\nmax_items = -1\n",
     "2: " COUNT_RULE("max_items", "-1", "10000000")},
    {"[dht]\nmax_items = 5k\n",
     "2: " COUNT_RULE("max_items", "5k", "10000000")},
    {"[dht]\nmax_items = 99999999999999999999\n",
     "2: " COUNT_RULE("max_items", "99999999999999999999", "10000000")},
    {"[dht]\nmax_items = 4\x1b[31m\n",
     "2: " COUNT_RULE("max_items", "4\\x1b[31m", "10000000")},
    {"[dht]\npeer_lifetime = 30\n", TIME_RULE("30")},
    {"[dht]\npeer_lifetime = 8d\n", TIME_RULE("8d")},
    {"[dht]\npeer_lifetime = 999ms\n", TIME_RULE("999ms")},
    {"[dht]\nbootstrap = example.org\n", HOST_RULE("example.org")},
    {"[dht]\nbootstrap = x.warren:1\n",
     "2: bootstrap is 'x.warren:1' but must be a node, not a hidden service, "
     "which has no address"},
    {"[dht]\nbootstrap = example.org:0\n", HOST_RULE("example.org:0")},
    {"[dht]\nbootstrap = 192.0.2.1:0\n", HOST_RULE("192.0.2.1:0")},
    {"[dht]\nbootstrap = 2001:db8::1:7881\n", HOST_RULE("2001:db8::1:7881")},
    {"[dht]\nbootstrap = :7881\n", HOST_RULE(":7881")},
    {"[dht]\nbootstrap = http://x:1\n", HOST_RULE("http://x:1")},
    {"[http]\nlisten = 7882\n",
     "2: listen is '7882' but must be ADDR:PORT, like 127.0.0.1:7882, or "
     "none"},
    {"[log]\nlevel = loud\n",
     "2: level is 'loud' but must be one of error, warn, info, debug"},
    {"[log]\nformat = xml\n",
     "2: format is 'xml' but must be one of text, json"},
};

static void test_config_bad_files_are_refused_with_line_and_reason(void **s)
{
    (void)s;
    for (size_t i = 0; i < COUNT_OF(bad_files); i++)
        assert_fails(bad_files[i].content, bad_files[i].expected);
}

static void test_config_all_mistakes_are_reported_at_once(void **state)
{
    (void)state;
    assert_int_equal(
        load("[node]\nx y\n[log]\nlevel = a\nrate = b\n", NULL, NULL),
        ERR_SYNTAX);
    assert_non_null(strstr(text_get(&errors), ":2: neither"));
    assert_non_null(strstr(text_get(&errors), ":4: level"));
    assert_non_null(strstr(text_get(&errors), ":5: rate"));
}

static void test_config_unreadable_files_are_refused(void **state)
{
    struct config_input input = {.file = "/nonexistent/warren.conf"};
    char *big = malloc(1 << 20);

    (void)state;
    text_clear(&errors);
    assert_int_equal(config_load(&input, &config, &errors), ERR_IO);
    assert_string_equal(text_get(&errors),
                        "/nonexistent/warren.conf: cannot be read: No such "
                        "file or directory\n");
    input.file = "/";
    text_clear(&errors);
    assert_int_equal(config_load(&input, &config, &errors), ERR_IO);
    assert_string_equal(text_get(&errors),
                        "/: cannot be read: Is a directory\n");
    input.file = file;
    write_file_bytes("[node]\0\n", 8);
    text_clear(&errors);
    assert_int_equal(config_load(&input, &config, &errors), ERR_SYNTAX);
    assert_non_null(strstr(text_get(&errors), ":1: a NUL byte"));
    assert_non_null(big);
    memset(big, '\n', 1 << 20);
    write_file_bytes(big, 1 << 20);
    free(big);
    text_clear(&errors);
    assert_int_equal(config_load(&input, &config, &errors), ERR_SYNTAX);
    assert_non_null(strstr(text_get(&errors), "is too large"));
}

static void test_config_lists_have_a_cap(void **state)
{
    char content[4096] = "[node]\nlisten = 127.0.0.1:1";
    char expected[256];

    (void)state;
    for (int i = 2; i <= CONFIG_ENDPOINTS_MAX + 1; i++)
        snprintf(content + strlen(content), 32, ", 127.0.0.1:%d", i);
    snprintf(expected, sizeof(expected),
             "2: listen is '127.0.0.1:%d' but must be one of at most %d "
             "addresses; leave it out, and what follows it",
             CONFIG_ENDPOINTS_MAX + 1, CONFIG_ENDPOINTS_MAX);
    assert_fails(content, expected);

    strcpy(content, "[dht]\n");
    for (int i = 0; i <= CONFIG_BOOTSTRAP_MAX + 3; i++)
        strcat(content, "bootstrap = a:1\n"); /* one line for all of them */
    snprintf(expected, sizeof(expected),
             "%d: bootstrap is 'a:1' but must be one of at most %d nodes; "
             "leave it out, and what follows it",
             CONFIG_BOOTSTRAP_MAX + 2, CONFIG_BOOTSTRAP_MAX);
    assert_fails(content, expected);
}

static void test_config_later_sources_override_earlier_ones(void **state)
{
    const char *environment[] = {"HOME=/x", "WARREN_LOG_LEVEL=warn",
                                 "WARREN_NODE_LISTEN=127.0.0.1:3", NULL};
    const char *flags[] = {"--log-level", "debug",       "--listen=127.0.0.1:4",
                           "--listen",    "127.0.0.1:5", NULL};
    const char *content = "[log]\nlevel = error\nrate = 7\n"
                          "[node]\nlisten = 127.0.0.1:1, 127.0.0.1:2\n";

    (void)state;
    assert_loads(content);
    assert_int_equal(config.log.level, LEVEL_ERROR);
    assert_int_equal(config.listen.count, 2);
    assert_int_equal(load(content, environment, NULL), OK);
    assert_int_equal(config.log.level, LEVEL_WARN);
    assert_int_equal(config.log.rate, 7);
    assert_int_equal(config.listen.count, 1);
    assert_int_equal(config.listen.at[0].port, 3);
    assert_int_equal(load(content, environment, flags), OK);
    assert_int_equal(config.log.level, LEVEL_DEBUG);
    assert_int_equal(config.listen.count, 2);
    assert_int_equal(config.listen.at[0].port, 4);
    assert_int_equal(config.listen.at[1].port, 5);
}

static void test_config_flags_of_all_forms(void **state)
{
    const char *flags[] = {"--testing-network",
                           "--log-json",
                           "--data-dir",
                           "/tmp/w",
                           "--http=",
                           "--dht.max_items=3",
                           "--node.testing_network",
                           "false",
                           "--dht.bootstrap",
                           "a:1,b:2",
                           NULL};

    (void)state;
    assert_int_equal(load(NULL, NULL, flags), OK);
    assert_false(config.dht.testing_network);
    assert_int_equal(config.log.format, LOG_JSON);
    assert_string_equal(config.data_dir, "/tmp/w");
    assert_string_equal(config.control, "/tmp/w/control.sock");
    assert_false(config.http.on);
    assert_int_equal(config.dht.max_items, 3);
    assert_int_equal(config.bootstrap.count, 2);
}

static void test_config_file_can_come_from_a_flag(void **state)
{
    const char *flags[] = {"--log-level", "warn", "--config", file, NULL};
    /* Here it is the value of another flag. */
    const char *not_it[] = {"--data-dir", "--config", NULL};

    (void)state;
    write_file_bytes("[log]\nlevel = debug\nrate = 9\n", 28);
    assert_int_equal(load(NULL, NULL, flags), OK);
    assert_int_equal(config.log.rate, 9);
    assert_int_equal(config.log.level, LEVEL_WARN);
    assert_int_equal(load(NULL, NULL, not_it), OK);
    assert_string_equal(config.data_dir, "--config");
}

static void test_config_bad_flags_are_refused_with_reason(void **state)
{
    static const struct {
        const char *args[3];
        const char *expected;
    } cases[] = {
        {{"--listne", "x:1"},
         "--listne: unknown flag; did you mean --listen?\n"},
        {{"--listne=x:1", "x"},
         "--listne: unknown flag; did you mean --listen?\n"
         "x: is no flag; flags look like --listen 127.0.0.1:7881\n"},
        {{"--max_items=2"},
         "--max_items: unknown flag; did you mean --dht.max_items?\n"},
        {{"--cofnig=2"}, "--cofnig: unknown flag; did you mean --config?\n"},
        {{"--mainline"},
         "--mainline: unknown flag; did you mean --mainline.enabled=true?\n"},
        {{"--frobnicate"},
         "--frobnicate: unknown flag; every key has one like --dht.max_items, "
         "and `warren config default` shows all keys\n"},
        {{"--"}, "--: is no flag; flags look like --listen 127.0.0.1:7881\n"},
        /* No text forges a line of its own, or moves the cursor. */
        {{"\x84\n\x1b[2J"},
         "\\x84\\x0a\\x1b[2J: is no flag; flags look like "
         "--listen 127.0.0.1:7881\n"},
        {{"--data-dir"}, "--data-dir: needs a value after it\n"},
        {{"--config"}, "--config: needs a value after it\n"},
        {{"--log-json=yes"},
         "--log-json: takes no value; write --log-json "
         "alone or --log.format VALUE\n"},
        {{"--log-level", "loud"},
         "--log-level: level is 'loud' but must be "
         "one of error, warn, info, debug\n"},
        {{"--listen", ""},
         "--node.listen: listen in [node] is empty but must "
         "be ADDR:PORT, like 0.0.0.0:7881 or [::]:7881\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *args[] = {cases[i].args[0], cases[i].args[1], NULL};

        assert_int_equal(load(NULL, NULL, args), ERR_SYNTAX);
        assert_string_equal(text_get(&errors), cases[i].expected);
    }
}

static void test_config_bad_variables_are_refused_with_reason(void **state)
{
    static const struct {
        const char *variable;
        const char *expected;
    } cases[] = {
        {"WARREN_DHT_MAX_ITEMS=x", "WARREN_DHT_MAX_ITEMS: " COUNT_RULE(
                                       "max_items", "x", "10000000") "\n"},
        {"WARREN_DHT_MAX_ITEM=1", "WARREN_DHT_MAX_ITEM: unknown setting; did "
                                  "you mean WARREN_DHT_MAX_ITEMS?\n"},
        {"WARREN_DATA_DIR=/x", "WARREN_DATA_DIR: unknown setting; did you "
                               "mean WARREN_NODE_DATA_DIR?\n"},
        {"WARREN_FOO_BAR=1",
         "WARREN_FOO_BAR: unknown setting; names are WARREN_SECTION_KEY, and "
         "`warren config default` shows all keys\n"},
        {"WARREN_=1",
         "WARREN_: unknown setting; names are WARREN_SECTION_KEY, and "
         "`warren config default` shows all keys\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *environment[] = {cases[i].variable, NULL};

        assert_int_equal(load(NULL, environment, NULL), ERR_SYNTAX);
        assert_string_equal(text_get(&errors), cases[i].expected);
    }
}

/* `docker run -e X=`, `X= warren`: nothing was set. */
static void test_config_empty_variables_are_not_set(void **state)
{
    char name[CONFIG_NAME_SIZE + 1];
    const char *environment[] = {name, NULL};
    const char *none[] = {"WARREN_HTTP_LISTEN=none", NULL};
    struct text before, after;

    (void)state;
    text_init(&before, 65536);
    text_init(&after, 65536);
    assert_int_equal(load(NULL, NULL, NULL), OK);
    print_all(&config, &before);
    for (size_t i = 0; i < config_keys_count; i++) {
        config_environment_name(&config_keys[i], name);
        strcat(name, "=");
        assert_int_equal(load(NULL, environment, NULL), OK);
        text_clear(&after);
        print_all(&config, &after);
        assert_string_equal(text_get(&before), text_get(&after));
    }
    strcpy(name, "WARREN_NO_SUCH=");
    assert_int_equal(load(NULL, environment, NULL), OK);
    assert_int_equal(load(NULL, none, NULL), OK);
    assert_false(config.http.on);
    text_deinit(&before);
    text_deinit(&after);
}

static void test_config_knows_whether_http_was_asked_for(void **state)
{
    const char *flags[] = {"--http", "127.0.0.1:7882", NULL};
    const char *other[] = {"--log-json", NULL};

    (void)state;
    assert_int_equal(load(NULL, NULL, other), OK);
    assert_true(config.http_is_default);
    assert_int_equal(load(NULL, NULL, flags), OK);
    assert_false(config.http_is_default);
}

static void test_config_variables_of_container_engines_are_no_settings(void **s)
{
    const char *environment[] = {"WARREN_PORT=tcp://10.0.0.1:7881",
                                 "WARREN_PORT_7881_UDP=x",
                                 "WARREN_SERVICE_HOST=10.0.0.1",
                                 "WARREN",
                                 "WARREN_TEST_SEED=1",
                                 "NOT_WARREN_X=1",
                                 NULL};

    (void)s;
    assert_int_equal(load(NULL, environment, NULL), OK);
}

static void test_config_control_path_must_fit_a_socket_name(void **state)
{
    char dir[120];
    const char *flags[] = {"--data-dir", dir, NULL};

    (void)state;
    memset(dir, 'd', sizeof(dir));
    dir[0] = '/';
    dir[107 - strlen("/control.sock")] = '\0';
    assert_int_equal(load(NULL, NULL, flags), OK);
    assert_int_equal(strlen(config.control), 107);
    dir[107 - strlen("/control.sock")] = 'd';
    dir[108 - strlen("/control.sock")] = '\0';
    assert_int_equal(load(NULL, NULL, flags), ERR_SYNTAX);
    assert_non_null(strstr(text_get(&errors), "107 bytes"));
}

static void test_config_default_data_dir_follows_the_environment(void **state)
{
    char dir[CONFIG_PATH_SIZE];

    (void)state;
    config_default_data_dir(dir);
    if (geteuid() == 0)
        assert_string_equal(dir, "/var/lib/warren");
    else
        assert_non_null(strstr(dir, "/warren"));
}

/* Root has a directory of its own; others have one below their home. */
static void test_config_without_a_home_says_what_to_set(void **state)
{
    const char *flags[] = {"--control", "/tmp/c", NULL};

    (void)state;
    unsetenv("HOME");
    unsetenv("XDG_STATE_HOME");
    if (geteuid() == 0) {
        assert_int_equal(seteuid(65534), 0);
        assert_int_equal(load(NULL, NULL, NULL), ERR_SYNTAX);
        assert_int_equal(load(NULL, NULL, flags), OK);
        assert_int_equal(seteuid(0), 0);
        assert_string_equal(config.data_dir, "");
        assert_int_equal(load(NULL, NULL, NULL), OK);
    } else {
        assert_int_equal(load(NULL, NULL, flags), OK); /* to ask a daemon */
        assert_int_equal(load(NULL, NULL, NULL), ERR_SYNTAX);
        assert_string_equal(text_get(&errors),
                            "data_dir: there is no default, because neither "
                            "HOME nor XDG_STATE_HOME is set; give a directory "
                            "with --data-dir, or set HOME\n");
    }
    assert_fails("[node]\ndata_dir = ~/node\n",
                 "2: data_dir is '~/node' but must be a path without ~, "
                 "because HOME is not set");
}

static void test_config_tilde_is_the_home_directory(void **state)
{
    (void)state;
    setenv("HOME", "/home/w", 1);
    assert_loads("[node]\ndata_dir = ~/node\n");
    assert_string_equal(config.data_dir, "/home/w/node");
    assert_loads("[node]\ndata_dir = ~\n");
    assert_string_equal(config.data_dir, "/home/w");
    assert_string_equal(config.control, "/home/w/control.sock");
}

static void test_config_failed_load_changes_nothing(void **state)
{
    (void)state;
    assert_loads("[log]\nrate = 5\n");
    assert_int_equal(load("[log]\nrate = 6\nlevel = x\n", NULL, NULL),
                     ERR_SYNTAX);
    assert_int_equal(config.log.rate, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_defaults_are_what_the_documents_say),
        cmocka_unit_test(test_config_defaults_are_those_of_the_engine),
        cmocka_unit_test(test_config_printed_defaults_fit_the_screen),
        cmocka_unit_test(test_config_printed_defaults_load_as_the_defaults),
        cmocka_unit_test(test_config_tunnel_settings_reach_the_engine),
        cmocka_unit_test(test_config_tcp_policy_follows_that_of_datagrams),
        cmocka_unit_test(test_config_policy_has_a_cap),
        cmocka_unit_test(test_config_family_is_a_name_of_all_its_relays),
        cmocka_unit_test(test_config_table_is_sound),
        cmocka_unit_test(test_config_file_sets_every_type),
        cmocka_unit_test(
            test_config_bad_files_are_refused_with_line_and_reason),
        cmocka_unit_test(test_config_all_mistakes_are_reported_at_once),
        cmocka_unit_test(test_config_unreadable_files_are_refused),
        cmocka_unit_test(test_config_lists_have_a_cap),
        cmocka_unit_test(test_config_later_sources_override_earlier_ones),
        cmocka_unit_test(test_config_flags_of_all_forms),
        cmocka_unit_test(test_config_file_can_come_from_a_flag),
        cmocka_unit_test(test_config_bad_flags_are_refused_with_reason),
        cmocka_unit_test(test_config_bad_variables_are_refused_with_reason),
        cmocka_unit_test(test_config_empty_variables_are_not_set),
        cmocka_unit_test(test_config_knows_whether_http_was_asked_for),
        cmocka_unit_test(
            test_config_variables_of_container_engines_are_no_settings),
        cmocka_unit_test(test_config_control_path_must_fit_a_socket_name),
        cmocka_unit_test(test_config_default_data_dir_follows_the_environment),
        cmocka_unit_test(test_config_without_a_home_says_what_to_set),
        cmocka_unit_test(test_config_tilde_is_the_home_directory),
        cmocka_unit_test(test_config_failed_load_changes_nothing),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
