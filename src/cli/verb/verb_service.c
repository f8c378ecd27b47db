/* SPDX-License-Identifier: MIT
 *
 * Verbs that show services: list, show, peers, size, probe.
 */
#include "cli/verb/verb_service.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "cli/show/amount.h"
#include "cli/show/columns.h"
#include "cli/show/screen.h"
#include "cli/verb/verb_tunnel.h"
#include "cli/verb/verbs.h"
#include "node/control/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX 1200

/* ---- Shared ------------------------------------------------------------ */

enum exit_code cli_service_ask(struct cli_talk *t, struct cli *cli,
                               const char *method, const char *label)
{
    enum exit_code code = cli_talk_init(t, cli, "asking the daemon");
    struct mp_writer *w;

    if (code != EXIT_DONE)
        return code;
    w = cli_talk_params(t, label == NULL ? 1 : 2);
    mp_write_text(w, "name");
    mp_write_text(w, cli->args[0]);
    if (label != NULL) {
        mp_write_text(w, "label");
        mp_write_text(w, label);
    }
    code = cli_talk_call(t, method);
    if (code != EXIT_DONE)
        cli_talk_deinit(t);
    return code;
}

/* ---- list -------------------------------------------------------------- */

static void add_service(struct columns *c, struct mp_reader s)
{
    bool named = reply_bytes(s, "name").len > 0;
    bool has_address = reply_bytes(s, "address").len > 0;

    columns_add(c, "%s", named ? reply_text(s, "name") : "-");
    columns_add(c, "%s", reply_text(s, "state"));
    columns_add(c, "%" PRIu64 "/%" PRIu64, reply_uint(s, "points"),
                reply_uint(s, "points_wanted"));
    columns_add(c, "%" PRIu64, reply_uint(s, "peers"));
    columns_add(c, "%" PRIu64, reply_uint(s, "hops"));
    columns_add(c, "%s", has_address ? reply_text(s, "address") : "(a string)");
}

static void print_services(struct mp_reader answer)
{
    struct mp_reader at;
    uint32_t count = reply_array(answer, "services", &at);
    struct columns c;

    columns_init(&c, "name|state|>points|>peers|>hops|+address");
    for (uint32_t i = 0; i < count; i++, mp_skip(&at))
        add_service(&c, at);
    if (count > 0)
        columns_print(&c, stdout);
    else
        screen_fold(stdout, 0, "",
                    "No services: 'warren service new NAME' makes one, 'warren "
                    "service register ID' joins a string.");
    columns_deinit(&c);
}

static enum exit_code list(struct cli *cli)
{
    return cli_talk_show(cli, "service.list", print_services);
}

/* ---- show -------------------------------------------------------------- */

/* Texts with commas between them. */
static void print_texts(const char *label, struct mp_reader map,
                        const char *key)
{
    struct mp_reader at;
    uint32_t count = reply_array(map, key, &at);
    struct text all;

    text_init(&all, LINE_MAX - 1);
    for (; count > 0; count--) {
        text_add_printable(&all, mp_read_bytes(&at, 0, SIZE_MAX));
        text_add(&all, count > 1 ? ", " : "");
    }
    if (all.len > 0)
        screen_line(label, "%s", text_get(&all));
    text_deinit(&all);
}

static void print_since(const char *label, struct mp_reader map,
                        const char *yes, const char *age_key, const char *is)
{
    char age[AMOUNT_SIZE];
    struct mp_reader at;

    if (!reply_find(map, age_key, &at))
        screen_line(label, "not yet");
    else
        screen_line(label, "%s, %s ago",
                    reply_bool(map, yes) ? is : "not any more",
                    age_print(reply_uint(map, age_key), age));
}

static void print_points(struct mp_reader answer)
{
    struct mp_reader at;
    uint32_t count = reply_array(answer, "introduction", &at);
    char age[AMOUNT_SIZE];
    struct columns c;

    if (count == 0)
        return;
    columns_init(&c, "introduced by|address|state|>since|>introductions");
    for (uint32_t i = 0; i < count; i++, mp_skip(&at)) {
        columns_add(&c, "%.*s", CLI_SHORT_ID, reply_text(at, "relay"));
        columns_add(&c, "%s", reply_text(at, "address"));
        columns_add(&c, "%s", reply_bool(at, "established") ? "up" : "not up");
        columns_add(&c, "%s",
                    reply_bool(at, "established")
                        ? age_print(reply_uint(at, "age"), age)
                        : "-");
        columns_add(&c, "%" PRIu64, reply_uint(at, "introductions"));
    }
    putchar('\n');
    columns_print(&c, stdout);
    columns_deinit(&c);
}

/* Those that were, by what became of them. */
static void print_introductions(struct mp_reader answer)
{
    struct mp_reader at;
    struct text all;
    uint32_t pairs;

    if (!reply_find(answer, "introductions", &at))
        return;
    text_init(&all, LINE_MAX - 1);
    for (pairs = mp_read_map(&at, 64); pairs > 0; pairs--) {
        struct bytes name = mp_read_bytes(&at, 0, 64);
        uint64_t count = mp_read_uint(&at, UINT64_MAX);

        if (count == 0)
            continue;
        text_addf(&all, "%s%" PRIu64 " ", all.len > 0 ? ", " : "", count);
        text_add_printable(&all, name);
    }
    screen_line("introductions", "%s",
                all.len > 0 ? text_get(&all) : "none yet");
    text_deinit(&all);
}

static void print_key_service(struct mp_reader s)
{
    print_since("published", s, "published", "published_age", "yes");
    print_since("found again", s, "verified", "verified_age", "yes");
    print_since("probed", s, "reachable", "probed_age", "it answers");
    print_texts("access", s, "access");
    if (reply_uint(s, "effort") > 0)
        screen_line("work asked for", "%" PRIu64 " tries",
                    reply_uint(s, "effort"));
}

static void print_string_service(struct mp_reader s)
{
    screen_line("string", "%s", reply_text(s, "string"));
    screen_line("members", "%" PRIu64 " seen; about %.0f (+-%.0f) claim to be",
                reply_uint(s, "members"), reply_double(s, "size"),
                reply_double(s, "spread"));
}

static enum exit_code show(struct cli *cli)
{
    struct cli_talk t;
    struct mp_reader s;
    enum exit_code code = cli_service_ask(&t, cli, "service.show", NULL);

    if (code != EXIT_DONE)
        return code;
    s = t.answer.value;
    if (cli_talk_json(&t)) {
        cli_talk_deinit(&t);
        return EXIT_DONE;
    }
    screen_line("name", "%s", reply_text(s, "name"));
    screen_line("state", "%s", reply_text(s, "text"));
    if (reply_bytes(s, "address").len > 0)
        screen_line("address", "%s", reply_text(s, "address"));
    screen_line("hops", "%" PRIu64, reply_uint(s, "hops"));
    print_texts("ports", s, "ports");
    if (reply_bool(s, "runs")) {
        screen_line("peers", "%" PRIu64, reply_uint(s, "peers"));
        screen_line("points", "%" PRIu64 " of %" PRIu64,
                    reply_uint(s, "points"), reply_uint(s, "points_wanted"));
        if (reply_bytes(s, "string").len > 0)
            print_string_service(s);
        else
            print_key_service(s);
        print_introductions(s);
        print_points(s);
    }
    cli_talk_deinit(&t);
    return EXIT_DONE;
}

/* ---- peers ------------------------------------------------------------- */

static void add_peer(struct columns *c, struct mp_reader p)
{
    char age[AMOUNT_SIZE];

    columns_add(c, "%s", reply_text(p, "peer"));
    columns_add(c, "%s",
                reply_bytes(p, "service").len > 0 ? reply_text(p, "service")
                                                  : "-");
    columns_add(c, "%s",
                reply_bytes(p, "key").len > 0 ? reply_text(p, "key")
                                              : "unknown");
    columns_add(c, "%s%s", reply_bool(p, "opened") ? "by us" : "by it",
                reply_bool(p, "gap") ? ", in a gap" : "");
    columns_add(c, "%s", age_print(reply_uint(p, "age"), age));
    columns_add(c, "%" PRIu64, reply_uint(p, "sent"));
    columns_add(c, "%" PRIu64, reply_uint(p, "received"));
}

static void print_peers(struct mp_reader answer)
{
    struct mp_reader at;
    uint32_t count = reply_array(answer, "peers", &at);
    struct columns c;

    columns_init(&c, "peer|service|#key|+opened|>since|>sent|>received");
    for (uint32_t i = 0; i < count; i++, mp_skip(&at))
        add_peer(&c, at);
    if (count > 0)
        columns_print(&c, stdout);
    else
        puts("No peers.");
    columns_deinit(&c);
}

static enum exit_code peers(struct cli *cli)
{
    struct cli_talk t;
    enum exit_code code;

    if (cli->args[0] == NULL)
        return cli_talk_show(cli, "service.peers", print_peers);
    code = cli_service_ask(&t, cli, "service.peers", NULL);
    if (code != EXIT_DONE)
        return code;
    if (!cli_talk_json(&t))
        print_peers(t.answer.value);
    cli_talk_deinit(&t);
    return code;
}

/* ---- size, probe ------------------------------------------------------- */

/* The daemon keeps to the timeout itself. */
static void write_timeout(struct cli_talk *t, struct mp_writer *w)
{
    t->slack = CLI_TUNNEL_SLACK * TIME_S;
    mp_write_text(w, "timeout");
    mp_write_uint(w, t->cli->timeout / TIME_MS);
}

static enum exit_code size(struct cli *cli)
{
    struct cli_talk t;
    struct mp_writer *w;
    uint64_t members = 0;
    enum exit_code code = cli_talk_init(&t, cli, "looking for members");

    if (code != EXIT_DONE)
        return code;
    w = cli_talk_params(&t, 2);
    mp_write_text(w, "service");
    mp_write_text(w, cli->args[0]);
    write_timeout(&t, w);
    code = cli_talk_call(&t, "service.size");
    if (code == EXIT_DONE) {
        members = reply_uint(t.answer.value, "members");
        code = members > 0 ? EXIT_DONE : EXIT_NEGATIVE;
        if (!cli_talk_json(&t) && members == 0)
            puts("No members seen: nobody has registered exactly this string, "
                 "or has just done\nso, or this node found no relays to ask; "
                 "see 'warren status'.");
        else if (!cli->json)
            printf("%" PRIu64 " member%s seen, about %.0f (+-%.0f) claim to "
                   "be there\n",
                   members, text_plural(members),
                   reply_double(t.answer.value, "size"),
                   reply_double(t.answer.value, "spread"));
    }
    cli_talk_deinit(&t);
    return code;
}

static enum exit_code probe(struct cli *cli)
{
    struct cli_talk t;
    struct mp_reader answer;
    struct mp_writer *w;
    enum exit_code code = cli_talk_init(&t, cli, "probing");

    if (code != EXIT_DONE)
        return code;
    w = cli_talk_params(&t, 2);
    mp_write_text(w, "name");
    mp_write_text(w, cli->args[0]);
    write_timeout(&t, w);
    code = cli_talk_call(&t, "service.probe");
    if (code == EXIT_DONE) {
        answer = t.answer.value;
        code = reply_bool(answer, "reachable") ? EXIT_DONE : EXIT_NEGATIVE;
        if (!cli_talk_json(&t) && code == EXIT_DONE)
            printf("%s can be reached: it was found and asked in %.0f ms\n",
                   cli->args[0], reply_double(answer, "duration"));
        else if (!cli->json)
            printf("%s cannot be reached: %s\n", cli->args[0],
                   reply_text(answer, "text"));
    }
    cli_talk_deinit(&t);
    return code;
}

const struct cli_verb cli_service_verbs[] = {
    {"service list", "", 0,
     "hidden services of this node, and those it reaches", NULL, true, false,
     list},
    {"service show", "NAME", 1, "all about one: address, points, probe", NULL,
     true, false, show},
    {"service peers", "[NAME]", 1, "who is connected to services", NULL, true,
     false, peers},
    {"service size", "ID", 1, "how many claim to be members of a string", NULL,
     true, false, size},
    {"service probe", "NAME", 1, "look whether others can reach it", NULL, true,
     false, probe},
    {0}};
