/* SPDX-License-Identifier: MIT
 *
 * The verbs about the peers of an info-hash: who they are, how many, and being
 * one.
 */
#include "base/text.h"
#include "cli/show/columns.h"
#include "cli/show/screen.h"
#include "cli/show/trace.h"
#include "cli/verb/verb_dht.h"
#include "cli/verb/verb_published.h"
#include "cli/verb/verbs.h"
#include "dht/types/magnet.h"
#include "node/control/reply.h"

#include <inttypes.h>
#include <stdio.h>

static const struct cli_option get_options[] = {
    CLI_MAINLINE,
    {"--no-seeds", NULL, "only those who have not all of it yet (BEP 33)"},
    CLI_TRACE,
    {0}};
static const struct cli_option scrape_options[] = {
    CLI_MAINLINE, CLI_TRACE, {0}};
static const struct cli_option announce_options[] = {
    CLI_MAINLINE,
    {"--port", "P", "port of the peer (the one that the daemon sends from)"},
    {"--seed", NULL, "as a peer that has all of it (BEP 33)"},
    CLI_TRACE,
    {0}};
static const struct cli_option withdraw_options[] = {CLI_MAINLINE, {0}};

/* The HASH of the command line as 40 hex digits; false after a sentence. */
static bool read_hash(const struct cli *cli, char hash[ID_TEXT_SIZE])
{
    struct id id;

    if (!cli_read_hash("HASH", cli->args[0], &id))
        return false;
    id_print(&id, hash);
    return true;
}

/* Whoever has a magnet link has it from BitTorrent. */
static void hint_mainline(const struct cli *cli)
{
    if (!cli->json && !cli_in_mainline(cli) &&
        magnet_is_link(bytes_of_text(cli->args[0])))
        screen_fold(stderr, 0, "",
                    "warren: without --mainline this is about the DHT of this "
                    "network; the peers of most magnet links are in the "
                    "mainline DHT");
}

static enum exit_code hint_unanswered(const struct cli *cli,
                                      enum exit_code code)
{
    if (code == EXIT_UNANSWERED)
        hint_mainline(cli);
    return code;
}

/* Those of a lookup of `hash`, with the flag `key` set, unless it is NULL, and
 * `more` that follow. */
static struct mp_writer *write_params(struct cli_talk *t, uint32_t more,
                                      const char *hash, const char *key)
{
    struct mp_writer *w =
        cli_talk_dht_params(t, more + (key == NULL ? 1 : 2), true);

    mp_write_text(w, "target");
    mp_write_text(w, hash);
    if (key != NULL) {
        mp_write_text(w, key);
        mp_write_bool(w, true);
    }
    return w;
}

/* ---- get-peers --------------------------------------------------------- */

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
    cli_dht_print_effort(answer);
    if (count == 0)
        hint_mainline(t->cli);
    return count > 0 ? EXIT_DONE : EXIT_NEGATIVE;
}

static enum exit_code get_peers(struct cli *cli)
{
    bool no_seeds = cli_value(cli, "--no-seeds") != NULL;
    char hash[ID_TEXT_SIZE];
    struct cli_talk t;
    enum exit_code code;

    if (!read_hash(cli, hash))
        return EXIT_USAGE;
    code = cli_talk_init(&t, cli, "looking for peers");
    if (code != EXIT_DONE)
        return code;
    write_params(&t, 0, hash, no_seeds ? "no_seeds" : NULL);
    if (t.trace && !cli->json)
        trace_print_head();
    code = hint_unanswered(cli, cli_talk_call(&t, "dht.get_peers"));
    if (code == EXIT_DONE)
        code = print_peers(&t, t.answer.value);
    cli_talk_deinit(&t);
    return code;
}

/* ---- scrape ------------------------------------------------------------ */

static uint64_t rounded(double estimate)
{
    return (uint64_t)(estimate + 0.5);
}

/* Nobody counts what it has not got, and not all programs count. */
static enum exit_code print_scrape(struct cli_talk *t, struct mp_reader answer)
{
    uint64_t scraped = reply_uint(answer, "scraped");
    struct mp_reader at;
    uint32_t peers = reply_array(answer, "peers", &at);
    char seeds[TEXT_COUNT_SIZE], downloaders[TEXT_COUNT_SIZE];
    char nodes[TEXT_COUNT_SIZE], found[TEXT_COUNT_SIZE];

    if (cli_talk_json(t))
        return scraped > 0 ? EXIT_DONE : EXIT_NEGATIVE;
    cli_talk_end_trace(t);
    if (scraped > 0)
        printf(
            "about %s and %s, counted by %s\n",
            text_count(rounded(reply_double(answer, "seeds")), "seed", seeds),
            text_count(rounded(reply_double(answer, "downloaders")),
                       "downloader", downloaders),
            text_count(scraped, "node", nodes));
    else if (peers > 0)
        printf("Nobody counts; %s found.\n", text_count(peers, "peer", found));
    else
        puts("Nobody knows of any peers.");
    cli_dht_print_effort(answer);
    if (scraped == 0 && peers == 0)
        hint_mainline(t->cli);
    return scraped > 0 ? EXIT_DONE : EXIT_NEGATIVE;
}

static enum exit_code scrape(struct cli *cli)
{
    char hash[ID_TEXT_SIZE];

    if (!read_hash(cli, hash))
        return EXIT_USAGE;
    return hint_unanswered(cli,
                           cli_dht_ask(cli, "counting peers", "dht.scrape",
                                       "target", hash, true, print_scrape));
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
        cli_dht_print_effort(answer);
    }
    hint_mainline(t->cli);
    return stored > 0 ? cli_published_code(t) : EXIT_REFUSED;
}

static enum exit_code announce(struct cli *cli)
{
    const char *port = cli_value(cli, "--port");
    bool seed = cli_value(cli, "--seed") != NULL;
    char hash[ID_TEXT_SIZE];
    struct mp_writer *w;
    struct cli_talk t;
    enum exit_code code;
    uint64_t number = 0;

    if (!read_hash(cli, hash))
        return EXIT_USAGE;
    if (port != NULL && !cli_read_number("--port", port, 1, 65535, &number))
        return EXIT_USAGE;
    code = cli_talk_init(&t, cli, "announcing");
    if (code != EXIT_DONE)
        return code;
    w = write_params(&t, port == NULL ? 0 : 1, hash, seed ? "seed" : NULL);
    if (port != NULL) {
        mp_write_text(w, "port");
        mp_write_uint(w, number);
    }
    if (t.trace && !cli->json)
        trace_print_head();
    code = hint_unanswered(cli, cli_talk_call(&t, "dht.announce"));
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
    char hash[ID_TEXT_SIZE];
    enum exit_code code;

    if (!read_hash(cli, hash))
        return EXIT_USAGE;
    code = cli_dht_ask(cli, "asking the daemon", "dht.withdraw", "target", hash,
                       false, print_withdrawn);
    if (code == EXIT_NEGATIVE)
        hint_mainline(cli);
    return code;
}

const struct cli_verb cli_peers_verbs[] = {
    {"dht get-peers", "HASH", 1,
     "look up the peers of an info-hash or magnet link", get_options, true,
     false, get_peers},
    {"dht scrape", "HASH", 1, "estimate how many seeds and downloaders it has",
     scrape_options, true, false, scrape},
    {"dht announce", "HASH", 1, "be a peer of an info-hash until withdrawn",
     announce_options, true, false, announce},
    {"dht withdraw", "HASH", 1, "stop renewing an announcement or an item",
     withdraw_options, true, false, withdraw},
    {0}};
