/* SPDX-License-Identifier: MIT
 *
 * The verbs about the DHT but for items. Each is one request: `ask` sends it,
 * a print_... shows the answer to people, and the exit code says whether
 * anything was found.
 */
#include "base/endpoint.h"
#include "base/text.h"
#include "cli/ask/resolve.h"
#include "cli/ask/talk.h"
#include "cli/show/amount.h"
#include "cli/show/columns.h"
#include "cli/show/say.h"
#include "cli/show/screen.h"
#include "cli/show/trace.h"
#include "cli/verb/verb_published.h"
#include "cli/verb/verbs.h"
#include "node/control/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct cli_option trace_options[] = {
    {"--trace", NULL, "print every node that is asked, and its answer"}, {0}};
static const struct cli_option announce_options[] = {
    {"--port", "P", "port of the peer (the one that the daemon sends from)"},
    {"--trace", NULL, "print every node that is asked, and its answer"},
    {0}};

/* Prints an answer for people, returns the exit code. */
typedef enum exit_code print_fn(struct cli_talk *t, struct mp_reader answer);

/* A request whose only parameter is a text. */
static enum exit_code ask(struct cli *cli, const char *doing,
                          const char *method, const char *name,
                          const char *text, bool lookup, print_fn *print)
{
    struct cli_talk t;
    enum exit_code code = cli_talk_init(&t, cli, doing);

    if (code != EXIT_DONE)
        return code;
    struct mp_writer *w = cli_talk_params(&t, name == NULL ? 0 : 1, lookup);
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
                               print_fn *print)
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
        struct mp_writer *w = cli_talk_params(&t, 1, false);

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

static void print_effort(struct mp_reader answer)
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
    return ask(cli, "asking the daemon", "dht.nodes", NULL, NULL, false,
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
    uint32_t count = reply_array(answer, "samples", &at);
    char hashes[TEXT_COUNT_SIZE];

    if (cli_talk_json(t))
        return EXIT_DONE;
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

/* ---- find-node, get-peers ---------------------------------------------- */

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
    print_effort(answer);
    return count > 0 ? EXIT_DONE : EXIT_NEGATIVE;
}

static enum exit_code find_node(struct cli *cli)
{
    struct id id;

    if (!cli_read_id("ID", cli->args[0], &id))
        return EXIT_USAGE;
    return ask(cli, "looking for nodes", "dht.find_node", "target",
               cli->args[0], true, print_found_nodes);
}

static enum exit_code print_peers(struct cli_talk *t, struct mp_reader answer)
{
    struct mp_reader at;
    uint32_t count = reply_array(answer, "peers", &at);
    struct columns c;

    if (cli_talk_json(t))
        return count > 0 ? EXIT_DONE : EXIT_NEGATIVE;
    cli_talk_end_trace(t);
    columns_init(&c, "peer|>hop|told by");
    for (uint32_t i = 0; i < count; i++, mp_skip(&at)) {
        columns_add(&c, "%s", reply_text(at, "address"));
        columns_add(&c, "%" PRIu64, reply_uint(at, "hop"));
        columns_add(&c, "%s",
                    reply_uint(at, "hop") > 0 ? reply_text(at, "from")
                                              : "this node");
    }
    if (count > 0)
        columns_print(&c, stdout);
    else
        puts("No peers were found.");
    columns_deinit(&c);
    print_effort(answer);
    return count > 0 ? EXIT_DONE : EXIT_NEGATIVE;
}

static enum exit_code get_peers(struct cli *cli)
{
    struct id id;

    if (!cli_read_id("HASH", cli->args[0], &id))
        return EXIT_USAGE;
    return ask(cli, "looking for peers", "dht.get_peers", "target",
               cli->args[0], true, print_peers);
}

/* ---- announce, withdraw ------------------------------------------------ */

static enum exit_code print_announced(struct cli_talk *t,
                                      struct mp_reader answer)
{
    uint64_t stored = reply_uint(answer, "stored");
    char nodes[TEXT_COUNT_SIZE];

    if (!cli_talk_json(t)) {
        cli_talk_end_trace(t);
        printf("announced on %s\n", text_count(stored, "node", nodes));
        print_effort(answer);
    }
    return stored > 0 ? cli_published_code(t) : EXIT_REFUSED;
}

static enum exit_code announce(struct cli *cli)
{
    const char *port = cli_value(cli, "--port");
    struct cli_talk t;
    enum exit_code code;
    uint64_t number = 0;
    struct id id;

    if (!cli_read_id("HASH", cli->args[0], &id))
        return EXIT_USAGE;
    if (port != NULL && !cli_read_number("--port", port, 1, 65535, &number))
        return EXIT_USAGE;
    code = cli_talk_init(&t, cli, "announcing");
    if (code != EXIT_DONE)
        return code;
    struct mp_writer *w = cli_talk_params(&t, port == NULL ? 1 : 2, true);
    mp_write_text(w, "target");
    mp_write_text(w, cli->args[0]);
    if (port != NULL) {
        mp_write_text(w, "port");
        mp_write_uint(w, number);
    }
    if (t.trace && !cli->json)
        trace_print_head();
    code = cli_talk_call(&t, "dht.announce");
    if (code == EXIT_DONE)
        code = print_announced(&t, t.answer.value);
    cli_talk_deinit(&t);
    return code;
}

static enum exit_code print_withdrawn(struct cli_talk *t,
                                      struct mp_reader answer)
{
    if (!cli_talk_json(t))
        printf("%s is not renewed any more; others forget it when it "
               "expires\n",
               reply_text(answer, "target"));
    if (!reply_bool(answer, "kept"))
        return EXIT_DONE;
    if (!cli_talk_json(t))
        screen_fold(stderr, 0, "",
                    "warren: the node's store cannot be written: until it can, "
                    "a restart publishes it again; 'warren status' says why");
    return EXIT_TROUBLE;
}

static enum exit_code withdraw(struct cli *cli)
{
    struct id id;

    if (!cli_read_id("HASH", cli->args[0], &id))
        return EXIT_USAGE;
    return ask(cli, "asking the daemon", "dht.withdraw", "target", cli->args[0],
               false, print_withdrawn);
}

const struct cli_verb cli_dht_verbs[] = {
    {"dht nodes", "", 0, "the routing table", NULL, true, false, nodes},
    {"dht ping", "HOST:PORT", 1, "ask one node whether it is there", NULL, true,
     false, ping},
    {"dht find-node", "ID", 1, "look up the nodes nearest to an id",
     trace_options, true, false, find_node},
    {"dht get-peers", "HASH", 1, "look up the peers of an info-hash",
     trace_options, true, false, get_peers},
    {"dht announce", "HASH", 1, "be a peer of an info-hash until withdrawn",
     announce_options, true, false, announce},
    {"dht withdraw", "HASH", 1, "stop renewing an announcement or an item",
     NULL, true, false, withdraw},
    {"dht sample", "HOST:PORT", 1, "ask one node which info-hashes it has",
     NULL, true, false, sample},
    {0}};
