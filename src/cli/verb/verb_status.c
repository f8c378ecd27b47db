/* SPDX-License-Identifier: MIT
 *
 * `warren status`: first what is wrong, then a line for each fact, in the
 * order in which operators ask: what it is, how it stands in the DHT, what it
 * does for others, what it has of its own, what is on disk; and, where it is in
 * the mainline DHT too, how it stands in that.
 */
#include "cli/ask/talk.h"
#include "cli/show/amount.h"
#include "cli/show/screen.h"
#include "cli/verb/verbs.h"
#include "node/control/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX 2048

static const char *const families[] = {"ipv4", "ipv6"};
static const char *const family_titles[] = {"IPv4", "IPv6"};

/* The same of one family. */
static void family_line(int f, const char *what, const char *text)
{
    char label[SCREEN_LABEL + 1];

    snprintf(label, sizeof(label), "%s %s", family_titles[f], what);
    screen_line(label, "%s", text);
}

static void print_problem(struct mp_reader at)
{
    static const char to_do[] = "    What to do: ";
    char label[32], text[REPLY_TEXT_SIZE + 1];

    snprintf(label, sizeof(label), "%s: ", reply_text(at, "level"));
    snprintf(text, sizeof(text), "%s.", reply_text(at, "what"));
    screen_fold(stdout, strlen(label), label, text);
    snprintf(text, sizeof(text), "%s.", reply_text(at, "remedy"));
    screen_fold(stdout, strlen(to_do), to_do, text);
}

static void print_problems(struct mp_reader map)
{
    struct mp_reader at;
    uint32_t count = reply_array(map, "problems", &at);

    if (count == 0)
        puts("Nothing is wrong.");
    for (; count > 0; count--, mp_skip(&at))
        print_problem(at);
    putchar('\n');
}

static void print_uptime(uint64_t s)
{
    char text[96] = "";
    size_t len = 0;

    if (s >= 86400)
        len += (size_t)sprintf(text + len, "%" PRIu64 " d ", s / 86400);
    if (s >= 3600)
        len += (size_t)sprintf(text + len, "%" PRIu64 " h ", s / 3600 % 24);
    if (s >= 60)
        len += (size_t)sprintf(text + len, "%" PRIu64 " min ", s / 60 % 60);
    sprintf(text + len, "%" PRIu64 " s", s % 60);
    screen_line("up", "%s", text);
}

/* An array of texts with commas between them. */
static void print_list(const char *label, struct mp_reader map, const char *key)
{
    struct mp_reader at;
    uint32_t count = reply_array(map, key, &at);
    struct text list;

    text_init(&list, LINE_MAX - 1);
    for (; count > 0; count--) {
        text_add_printable(&list, mp_read_bytes(&at, 0, SIZE_MAX));
        text_add(&list, count > 1 ? ", " : "");
    }
    if (list.len > 0)
        screen_line(label, "%s", text_get(&list));
    text_deinit(&list);
}

/* Said only when it is not as it should be. */
static void print_trains(struct mp_reader map)
{
    struct mp_reader at;

    if (reply_find(map, "trains", &at) &&
        !(reply_bool(at, "send") && reply_bool(at, "receive")))
        screen_line("kernel", "carries each datagram alone (no UDP_SEGMENT or "
                              "UDP_GRO): relaying costs more");
}

/* ---- DHT ---------------------------------------------------------------- */

/* Port 0 is none that others agree upon (a symmetric NAT). */
static void print_seen_as(int f, const char *external)
{
    size_t len = strlen(external);
    char text[96];

    if (len > 2 && strcmp(external + len - 2, ":0") == 0) {
        snprintf(text, sizeof(text), "%.*s, at another port by each",
                 (int)len - 2, external);
        external = text;
    }
    family_line(f, "seen as", external);
}

static void print_family(struct mp_reader dht, int f)
{
    char nodes[TEXT_COUNT_SIZE], buckets[TEXT_COUNT_SIZE], text[LINE_MAX];
    struct mp_reader map;

    if (!reply_find(dht, families[f], &map))
        return;
    family_line(f, "id", reply_text(map, "id"));
    text_count(reply_uint(map, "buckets"), "bucket", buckets);
    snprintf(text, sizeof(text),
             "%" PRIu64 " (%" PRIu64 " good, %" PRIu64 " spare) in %s",
             reply_uint(map, "nodes"), reply_uint(map, "good"),
             reply_uint(map, "cached"), buckets);
    family_line(f, "nodes", text);
    if (reply_bytes(map, "external").len > 0)
        print_seen_as(f, reply_text(map, "external"));
    if (reply_uint(map, "network_size") > 0) {
        snprintf(text, sizeof(text), "about %s",
                 text_count(reply_uint(map, "network_size"), "node", nodes));
        family_line(f, "network", text);
    }
}

/* Within that time all is stored, and looked up. */
#define FOUND_WITHIN 60 /* s */

/* Those that others do not find, or may not. */
static void print_not_found(struct mp_reader map, struct mp_reader dht)
{
    struct mp_reader at;
    uint64_t failing, missing, unsure;

    if (reply_uint(map, "uptime") < FOUND_WITHIN ||
        !reply_find(dht, "published", &at)) /* an older daemon */
        return;
    failing = reply_uint(at, "failing");
    missing = reply_uint(at, "missing");
    unsure = reply_uint(at, "starting") + reply_uint(at, "stored");
    if (failing + missing + unsure > 0)
        screen_line(
            "", "%" PRIu64 " found by a lookup, %" PRIu64 " not yet looked up",
            reply_uint(at, "found"), unsure);
    if (failing + missing > 0)
        screen_line("", "%" PRIu64 " on no node, %" PRIu64 " not found",
                    failing, missing);
}

/* What this node was asked to publish is on disk; what it says of itself as a
 * relay is made anew at each start. */
static void print_publications(struct mp_reader map, struct mp_reader rows,
                               uint64_t all)
{
    uint64_t asked =
        reply_uint(rows, "announcements") + reply_uint(rows, "items");
    struct mp_reader at;

    asked = asked < all ? asked : all;
    if (all > asked && reply_find(map, "tunnels", &at) &&
        reply_bool(at, "published"))
        screen_line("publishes",
                    "%" PRIu64 " by request, %" PRIu64 " as a relay", asked,
                    all - asked);
    else
        screen_line("publishes", "%" PRIu64 " by request", all);
}

/* One of the two; `rows` is what the store says of it. */
static void print_dht(struct mp_reader map, struct mp_reader dht,
                      struct mp_reader rows)
{
    char a[TEXT_COUNT_SIZE], b[TEXT_COUNT_SIZE], c[TEXT_COUNT_SIZE];

    for (int f = 0; f < 2; f++)
        print_family(dht, f);
    print_publications(map, rows, reply_uint(dht, "publications"));
    print_not_found(map, dht);
    screen_line("keeps", "%s of %s, %s for others",
                text_count(reply_uint(dht, "peers"), "peer", a),
                text_count(reply_uint(dht, "hashes"), "hash", b),
                text_count(reply_uint(dht, "items"), "item", c));
    screen_line("at work on", "%s, %s in flight",
                text_count(reply_uint(dht, "lookups"), "lookup", a),
                text_count(reply_uint(dht, "pending"), "query", b));
}

/* ---- Tunnels ------------------------------------------------------------ */

static void print_exit(struct mp_reader t)
{
    char out[AMOUNT_SIZE], in[AMOUNT_SIZE];

    if (reply_bool(t, "exiting"))
        screen_line("exit", "%s to the Internet, %s from there",
                    amount_print(reply_uint(t, "exit_sent_bytes"), out),
                    amount_print(reply_uint(t, "exit_received_bytes"), in));
}

static void print_relaying(struct mp_reader t)
{
    char a[TEXT_COUNT_SIZE], b[TEXT_COUNT_SIZE];
    char bytes[AMOUNT_SIZE], rate[AMOUNT_SIZE];

    if (!reply_bool(t, "relaying")) {
        screen_line("relay", "off: relays nothing for others");
        return;
    }
    screen_line("relay", "%s", reply_text(t, "identity"));
    if (!reply_bool(t, "published"))
        screen_line("", "is not published yet, so nobody can use it");
    print_list("reached at", t, "addresses");
    screen_line(
        "serves", "%s now, %" PRIu64 " since the start; %s with neighbours",
        text_count(reply_uint(t, "relays"), "client circuit", a),
        reply_uint(t, "served"), text_count(reply_uint(t, "links"), "link", b));
    screen_line("relayed", "%s in %s; now %s/s",
                amount_print(reply_uint(t, "relayed_bytes"), bytes),
                text_count(reply_uint(t, "relayed_cells"), "cell", a),
                amount_print(reply_uint(t, "relayed_rate"), rate));
    print_exit(t);
}

/* Nothing where it goes without saying. */
static void print_provider(struct mp_reader t)
{
    const char *provider = reply_text(t, "dht_provider");

    if (strcmp(provider, "mainline") == 0)
        screen_line("found in", "the mainline DHT, as other relays are");
    else if (strcmp(provider, "both") == 0)
        screen_line("found in", "both DHTs, as other relays are");
}

static void print_tunnels(struct mp_reader map)
{
    char a[TEXT_COUNT_SIZE], b[TEXT_COUNT_SIZE], c[TEXT_COUNT_SIZE];
    struct mp_reader t;

    if (!reply_find(map, "tunnels", &t))
        return;
    print_relaying(t);
    print_provider(t);
    screen_line("own circuits", "%" PRIu64 " ready of %" PRIu64,
                reply_uint(t, "ready"), reply_uint(t, "circuits"));
    screen_line("knows", "%s (%" PRIu64 " usable, %s, %s)",
                text_count(reply_uint(t, "known"), "relay", a),
                reply_uint(t, "usable"),
                text_count(reply_uint(t, "exits"), "exit", b),
                text_count(reply_uint(t, "guards"), "guard", c));
}

/* ---- Streams ------------------------------------------------------------ */

static void print_proxy(struct mp_reader s)
{
    char a[TEXT_COUNT_SIZE], b[TEXT_COUNT_SIZE];

    if (reply_bool(s, "proxy"))
        screen_line("proxy",
                    "%s now; since the start %s opened, %" PRIu64 " refused",
                    text_count(reply_uint(s, "proxy_clients"), "client", a),
                    text_count(reply_uint(s, "proxy_opened"), "stream", b),
                    reply_uint(s, "proxy_refused"));
}

static void print_own_streams(struct mp_reader s)
{
    char now[TEXT_COUNT_SIZE], out[AMOUNT_SIZE], in[AMOUNT_SIZE];

    if (reply_uint(s, "opened") == 0)
        return;
    screen_line("own streams",
                "%s of %" PRIu64 " since the start; %s sent, %s received",
                text_count(reply_uint(s, "now"), "stream", now),
                reply_uint(s, "opened"),
                amount_print(reply_uint(s, "sent_bytes"), out),
                amount_print(reply_uint(s, "received_bytes"), in));
}

/* Beside what leaves in datagrams. */
static void print_exit_streams(struct mp_reader s)
{
    char now[TEXT_COUNT_SIZE], out[AMOUNT_SIZE], in[AMOUNT_SIZE];

    if (reply_bool(s, "exit"))
        screen_line("exit streams",
                    "%s now, %" PRIu64 " connected since the start; %s to the "
                    "Internet, %s from there",
                    text_count(reply_uint(s, "exit_now"), "stream", now),
                    reply_uint(s, "exit_connected"),
                    amount_print(reply_uint(s, "exit_sent_bytes"), out),
                    amount_print(reply_uint(s, "exit_received_bytes"), in));
}

static void print_streams(struct mp_reader map)
{
    struct mp_reader s;

    if (!reply_find(map, "streams", &s)) /* an older daemon */
        return;
    print_exit_streams(s);
    print_own_streams(s);
    print_proxy(s);
}

/* What the next start finds. */
static void print_store(bool ok, struct mp_reader rows)
{
    char a[TEXT_COUNT_SIZE], b[TEXT_COUNT_SIZE], c[TEXT_COUNT_SIZE];

    screen_line(
        "store", "%s: %s met, %s and %s by request", ok ? "ok" : "FAILING",
        text_count(reply_uint(rows, "nodes"), "node", a),
        text_count(reply_uint(rows, "announcements"), "announcement", b),
        text_count(reply_uint(rows, "items"), "item", c));
}

static void print_mainline(struct mp_reader map, struct mp_reader store)
{
    struct mp_reader dht, rows;

    if (!reply_find(map, "mainline", &dht) || mp_peek(&dht) != MP_MAP ||
        !reply_find(store, "mainline", &rows))
        return;
    putchar('\n');
    screen_line("mainline DHT", "%s",
                reply_bool(dht, "joined") ? "joined" : "nobody answers");
    print_dht(map, dht, rows);
    print_store(reply_bool(store, "ok"), rows);
}

static void print_status(struct mp_reader map)
{
    char memory[AMOUNT_SIZE];
    struct mp_reader dht, store;

    print_problems(map);
    screen_line("warren", "%s, pid %" PRIu64, reply_text(map, "version"),
                reply_uint(map, "pid"));
    print_uptime(reply_uint(map, "uptime"));
    screen_line("memory", "%s",
                amount_print(reply_uint(map, "memory"), memory));
    screen_line("data", "%s", reply_text(map, "data_dir"));
    screen_line("network", "%s%s", reply_text(map, "network"),
                reply_bool(map, "testing_network") ? " (testing)" : "");
    print_list("listens on", map, "listen");
    print_trains(map);
    if (!reply_find(map, "dht", &dht) || !reply_find(map, "store", &store))
        return;
    print_dht(map, dht, store);
    print_tunnels(map);
    print_streams(map);
    print_store(reply_bool(store, "ok"), store);
    print_mainline(map, store);
}

static enum exit_code status(struct cli *cli)
{
    struct cli_talk t;
    enum exit_code code = cli_talk_init(&t, cli, "asking the daemon");

    if (code != EXIT_DONE)
        return code;
    cli_talk_params(&t, 0);
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
