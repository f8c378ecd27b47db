/* SPDX-License-Identifier: MIT
 *
 * The verbs about the nodes of the DHT, and what all about it share: each is
 * one request, cli_dht_ask sends it, a print_... shows the answer to people,
 * and the exit code says whether anything was found.
 */
#include "cli/verb/verb_dht.h"
#include "base/endpoint.h"
#include "base/text.h"
#include "cli/ask/resolve.h"
#include "cli/ask/talk.h"
#include "cli/show/amount.h"
#include "cli/show/columns.h"
#include "cli/show/say.h"
#include "cli/show/trace.h"
#include "cli/verb/verbs.h"
#include "node/control/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct cli_option trace_options[] = {CLI_MAINLINE, CLI_TRACE, {0}};
static const struct cli_option mainline_options[] = {CLI_MAINLINE, {0}};

enum exit_code cli_dht_ask(struct cli *cli, const char *doing,
                           const char *method, const char *name,
                           const char *text, bool lookup, cli_print_fn *print)
{
    struct cli_talk t;
    enum exit_code code = cli_talk_init(&t, cli, doing);

    if (code != EXIT_DONE)
        return code;
    struct mp_writer *w = cli_talk_dht_params(&t, name == NULL ? 0 : 1, lookup);
    if (name != NULL) {
        mp_write_text(w, name);
        mp_write_text(w, text);
    }
    if (lookup && t.trace && !cli->json)
        trace_print_head();
    code = cli_talk_call(&t, method);
    if (code == EXIT_DONE)
        code = print(&t, t.answer.value);
    cli_talk_deinit(&t);
    return code;
}

/* One whose only parameter is an address, for a name each of its addresses
 * until one is of a family that the daemon has. */
static enum exit_code ask_node(struct cli *cli, const char *method,
                               cli_print_fn *print)
{
    char address[ENDPOINT_TEXT_SIZE];
    struct resolved to;
    struct cli_talk t;
    enum exit_code code = cli_resolve(cli->args[0], &to);

    if (code == EXIT_DONE)
        code = cli_talk_init(&t, cli, "waiting for an answer");
    if (code != EXIT_DONE)
        return code;
    for (size_t i = 0; i < to.count; i++) {
        struct mp_writer *w = cli_talk_dht_params(&t, 1, false);

        mp_write_text(w, "address");
        mp_write_text(w, endpoint_print(&to.at[i], address));
        t.quiet = i + 1 < to.count ? ERR_ADDRESS : OK;
        code = cli_talk_call(&t, method);
        if (!t.hushed)
            break;
    }
    if (code == EXIT_DONE)
        code = print(&t, t.answer.value);
    cli_talk_deinit(&t);
    return code;
}

void cli_dht_print_effort(struct mp_reader answer)
{
    char asked[TEXT_COUNT_SIZE], hops[TEXT_COUNT_SIZE];

    printf("%" PRIu64 " of %s asked answered, %s, %.1f ms\n",
           reply_uint(answer, "answered"),
           text_count(reply_uint(answer, "asked"), "node", asked),
           text_count(reply_uint(answer, "hops"), "hop", hops),
           reply_double(answer, "duration"));
}

/* ---- nodes ------------------------------------------------------------- */

static enum exit_code print_nodes(struct cli_talk *t, struct mp_reader answer)
{
    struct mp_reader at;
    uint32_t count = reply_array(answer, "nodes", &at);
    char age[AMOUNT_SIZE];
    struct columns c;

    if (cli_talk_json(t))
        return EXIT_DONE;
    columns_init(&c, "#id|address|quality|>rtt ms|>seen before|>bucket");
    for (uint32_t i = 0; i < count; i++, mp_skip(&at)) {
        columns_add(&c, "%s", reply_text(at, "id"));
        columns_add(&c, "%s", reply_text(at, "address"));
        columns_add(&c, "%s", reply_text(at, "quality"));
        columns_add(&c, "%.1f", reply_double(at, "rtt"));
        columns_add(&c, "%s", age_print(reply_uint(at, "last_seen"), age));
        columns_add(&c, "%" PRIu64, reply_uint(at, "bucket"));
    }
    if (count > 0)
        columns_print(&c, stdout);
    else
        puts("No nodes are known; 'warren status' says why.");
    columns_deinit(&c);
    return EXIT_DONE;
}

static enum exit_code nodes(struct cli *cli)
{
    return cli_dht_ask(cli, "asking the daemon", "dht.nodes", NULL, NULL, false,
                       print_nodes);
}

/* ---- ping, sample ------------------------------------------------------ */

static enum exit_code print_ping(struct cli_talk *t, struct mp_reader answer)
{
    if (!cli_talk_json(t))
        printf("%s answered in %.2f ms, its id is %s\n",
               reply_text(answer, "address"), reply_double(answer, "rtt"),
               reply_text(answer, "id"));
    return EXIT_DONE;
}

static enum exit_code ping(struct cli *cli)
{
    return ask_node(cli, "dht.ping", print_ping);
}

static enum exit_code print_sample(struct cli_talk *t, struct mp_reader answer)
{
    struct mp_reader at;
    bool knows = reply_find(answer, "samples", &at);
    uint32_t count = reply_array(answer, "samples", &at);
    char hashes[TEXT_COUNT_SIZE];

    if (cli_talk_json(t))
        return knows ? EXIT_DONE : EXIT_NEGATIVE;
    if (!knows) {
        puts("It answered, and knows nothing of samples (BEP 51).");
        return EXIT_NEGATIVE;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct bytes b = mp_read_bytes(&at, 0, SIZE_MAX);

        printf("%.*s\n", (int)b.len, (const char *)b.p);
    }
    printf("%u of the %s that it has; ask again in %" PRIu64 " s\n", count,
           text_count(reply_uint(answer, "num"), "hash", hashes),
           reply_uint(answer, "interval"));
    return EXIT_DONE;
}

static enum exit_code sample(struct cli *cli)
{
    return ask_node(cli, "dht.sample", print_sample);
}

/* ---- find-node --------------------------------------------------------- */

static enum exit_code print_found_nodes(struct cli_talk *t,
                                        struct mp_reader answer)
{
    struct mp_reader at;
    uint32_t count = reply_array(answer, "nodes", &at);
    struct columns c;

    if (cli_talk_json(t))
        return count > 0 ? EXIT_DONE : EXIT_NEGATIVE;
    cli_talk_end_trace(t);
    columns_init(&c, "id|address");
    for (uint32_t i = 0; i < count; i++, mp_skip(&at)) {
        columns_add(&c, "%s", reply_text(at, "id"));
        columns_add(&c, "%s", reply_text(at, "address"));
    }
    columns_print(&c, stdout);
    columns_deinit(&c);
    cli_dht_print_effort(answer);
    return count > 0 ? EXIT_DONE : EXIT_NEGATIVE;
}

static enum exit_code find_node(struct cli *cli)
{
    struct id id;

    if (!cli_read_id("ID", cli->args[0], &id))
        return EXIT_USAGE;
    return cli_dht_ask(cli, "looking for nodes", "dht.find_node", "target",
                       cli->args[0], true, print_found_nodes);
}

const struct cli_verb cli_dht_verbs[] = {
    {"dht nodes", "", 0, "the routing table", mainline_options, true, false,
     nodes},
    {"dht ping", "HOST:PORT", 1, "ask one node whether it is there",
     mainline_options, true, false, ping},
    {"dht find-node", "ID", 1, "look up the nodes nearest to an id",
     trace_options, true, false, find_node},
    {"dht sample", "HOST:PORT", 1, "ask one node which info-hashes it has",
     mainline_options, true, false, sample},
    {0}};
