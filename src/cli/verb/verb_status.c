/* SPDX-License-Identifier: MIT
 */
#include "cli/ask/talk.h"
#include "cli/verb/verbs.h"
#include "node/control/reply.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const families[] = {"ipv4", "ipv6"};
static const char *const family_titles[] = {"IPv4", "IPv6"};

static void print_problems(struct mp_reader map)
{
    struct mp_reader at;
    uint32_t count = reply_array(map, "problems", &at);

    if (count == 0)
        puts("Nothing is wrong.");
    for (; count > 0; count--) {
        printf("%s: %s.\n    What to do: %s.\n", reply_text(at, "level"),
               reply_text(at, "what"), reply_text(at, "remedy"));
        mp_skip(&at);
    }
    putchar('\n');
}

static void print_uptime(uint64_t s)
{
    printf("up             ");
    if (s >= 86400)
        printf("%" PRIu64 " d ", s / 86400);
    if (s >= 3600)
        printf("%" PRIu64 " h ", s / 3600 % 24);
    if (s >= 60)
        printf("%" PRIu64 " min ", s / 60 % 60);
    printf("%" PRIu64 " s\n", s % 60);
}

static void print_listen(struct mp_reader map)
{
    struct mp_reader at;
    uint32_t count = reply_array(map, "listen", &at);

    printf("listens on     ");
    for (; count > 0; count--) {
        struct bytes b = mp_read_bytes(&at, 0, SIZE_MAX);

        printf("%.*s%s", (int)b.len, (const char *)b.p, count > 1 ? ", " : "");
    }
    putchar('\n');
}

/* Said only when it is not as it should be. */
static void print_trains(struct mp_reader map)
{
    struct mp_reader at;

    if (reply_find(map, "trains", &at) &&
        !(reply_bool(at, "send") && reply_bool(at, "receive")))
        puts("kernel         carries each datagram alone (no UDP_SEGMENT or "
             "UDP_GRO): relaying costs more");
}

static void print_family(struct mp_reader dht, int f)
{
    struct mp_reader map;

    if (!reply_find(dht, families[f], &map))
        return;
    printf("%s id        %s\n", family_titles[f], reply_text(map, "id"));
    printf("%s nodes     %" PRIu64 " (%" PRIu64 " good, %" PRIu64
           " spare) in %" PRIu64 " buckets\n",
           family_titles[f], reply_uint(map, "nodes"), reply_uint(map, "good"),
           reply_uint(map, "cached"), reply_uint(map, "buckets"));
    if (reply_bytes(map, "external").len > 0)
        printf("%s seen as   %s\n", family_titles[f],
               reply_text(map, "external"));
    if (reply_uint(map, "network_size") > 0)
        printf("%s network   about %" PRIu64 " nodes\n", family_titles[f],
               reply_uint(map, "network_size"));
}

static void print_dht(struct mp_reader map)
{
    struct mp_reader dht;

    if (!reply_find(map, "dht", &dht))
        return;
    for (int f = 0; f < 2; f++)
        print_family(dht, f);
    printf("publishes      %" PRIu64 " announcements and items of its own\n",
           reply_uint(dht, "publications"));
    printf("keeps          %" PRIu64 " peers of %" PRIu64 " hashes, %" PRIu64
           " items for others\n",
           reply_uint(dht, "peers"), reply_uint(dht, "hashes"),
           reply_uint(dht, "items"));
    printf("at work on     %" PRIu64 " lookups, %" PRIu64
           " queries in flight\n",
           reply_uint(dht, "lookups"), reply_uint(dht, "pending"));
}

static void print_tunnels(struct mp_reader map)
{
    struct mp_reader t;

    if (!reply_find(map, "tunnels", &t))
        return;
    printf("tunnels        %s%s: %" PRIu64 " circuits of others over %" PRIu64
           " links\n",
           !reply_bool(t, "relaying")   ? "relays nothing"
           : reply_bool(t, "published") ? "relay"
                                        : "relay without an address yet",
           reply_bool(t, "exiting") ? ", exit" : "", reply_uint(t, "relays"),
           reply_uint(t, "links"));
    printf("own circuits   %" PRIu64 " ready of %" PRIu64 "\n",
           reply_uint(t, "ready"), reply_uint(t, "circuits"));
    printf("knows          %" PRIu64 " relays (%" PRIu64 " usable, %" PRIu64
           " exits, %" PRIu64 " guards)\n",
           reply_uint(t, "known"), reply_uint(t, "usable"),
           reply_uint(t, "exits"), reply_uint(t, "guards"));
}

static void print_store(struct mp_reader map)
{
    struct mp_reader store;

    if (!reply_find(map, "store", &store))
        return;
    printf("store          %s: %" PRIu64 " nodes, %" PRIu64
           " announcements, %" PRIu64 " items\n",
           reply_bool(store, "ok") ? "ok" : "FAILING",
           reply_uint(store, "nodes"), reply_uint(store, "announcements"),
           reply_uint(store, "items"));
}

static void print_status(struct mp_reader map)
{
    print_problems(map);
    printf("warren         %s, pid %" PRIu64 "\n", reply_text(map, "version"),
           reply_uint(map, "pid"));
    print_uptime(reply_uint(map, "uptime"));
    printf("memory         %.1f MB\n", (double)reply_uint(map, "memory") / 1e6);
    printf("data           %s\n", reply_text(map, "data_dir"));
    printf("network        %s%s\n", reply_text(map, "network"),
           reply_bool(map, "testing_network") ? " (testing)" : "");
    print_listen(map);
    print_trains(map);
    print_dht(map);
    print_tunnels(map);
    print_store(map);
}

static enum exit_code status(struct cli *cli)
{
    struct cli_talk t;
    enum exit_code code = cli_talk_init(&t, cli, "asking the daemon");

    if (code != EXIT_DONE)
        return code;
    cli_talk_params(&t, 0, false);
    code = cli_talk_call(&t, "status");
    if (code == EXIT_DONE) {
        if (!cli_talk_json(&t))
            print_status(t.answer.value);
        if (!reply_bool(t.answer.value, "healthy"))
            code = EXIT_NEGATIVE;
    }
    cli_talk_deinit(&t);
    return code;
}

const struct cli_verb cli_status_verbs[] = {
    {"status", "", 0, "what is wrong with the daemon, and facts about it", NULL,
     true, false, status},
    {0}};
