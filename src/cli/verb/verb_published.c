/* SPDX-License-Identifier: MIT
 *
 * `warren dht published`: what this node publishes, by request and as a relay.
 */
#include "cli/verb/verb_published.h"
#include "base/text.h"
#include "cli/show/amount.h"
#include "cli/show/columns.h"
#include "cli/show/screen.h"
#include "cli/verb/verb_dht.h"
#include "cli/verb/verbs.h"
#include "node/control/reply.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct cli_option options[] = {CLI_MAINLINE, {0}};

#define FORGETS(section, flag)                                                 \
    "warren: this node renews it until it ends, and will then have forgotten " \
    "it: its own store is full (max_publications in the section [" section     \
    "]) or cannot be written; 'warren dht published" flag                      \
    "' lists what there is"

enum exit_code cli_published_code(const struct cli_talk *t)
{
    struct mp_reader kept;

    /* An older daemon does not say. */
    if (!reply_find(t->answer.value, "kept", &kept) || mp_read_bool(&kept))
        return EXIT_DONE;
    if (!t->cli->json)
        screen_fold(stderr, 0, "",
                    cli_in_mainline(t->cli) ? FORGETS("mainline", " --mainline")
                                            : FORGETS("dht", ""));
    return EXIT_TROUBLE;
}

/* The kind, in the words in which it was asked for. */
static void add_what(struct columns *c, struct mp_reader at)
{
    bool seed = reply_bool(at, "seed");
    struct mp_reader port;

    if (reply_bytes(at, "key").len > 0)
        columns_add(c, "seq %" PRIu64, reply_uint(at, "seq"));
    else if (reply_find(at, "port", &port))
        columns_add(c, "port %" PRIu64 "%s", reply_uint(at, "port"),
                    seed ? ", seed" : "");
    else
        columns_add(c, "%s", seed ? "seed" : reply_text(at, "kind"));
}

/* What is not as one expects. */
static void add_note(struct columns *c, struct mp_reader at)
{
    const char *state = reply_text(at, "state");
    bool ok = strcmp(state, "found") == 0 || strcmp(state, "stored") == 0;
    bool starting = strcmp(state, "starting") == 0;
    bool kept = reply_bool(at, "kept");

    columns_add(c, "%s%s%s",
                ok         ? ""
                : starting ? "not yet"
                           : state,
                ok || kept ? "" : ", ", kept ? "" : "not on disk");
}

static void add_next(struct columns *c, struct mp_reader at)
{
    struct mp_reader next;
    char age[AMOUNT_SIZE];

    if (reply_find(at, "next", &next))
        columns_add(c, "%s", age_print(mp_read_uint(&next, UINT64_MAX), age));
    else
        columns_add(c, "now");
}

static void add_one(struct columns *c, struct mp_reader at)
{
    char age[AMOUNT_SIZE];

    columns_add(c, "%s", reply_text(at, "target"));
    add_what(c, at);
    columns_add(c, "%" PRIu64, reply_uint(at, "stored"));
    columns_add(c, "%s", age_print(reply_uint(at, "since"), age));
    add_next(c, at);
    add_note(c, at);
}

static enum exit_code print_published(struct cli_talk *t,
                                      struct mp_reader answer)
{
    struct mp_reader at;
    uint32_t count = reply_array(answer, "published", &at);
    uint64_t all = reply_uint(answer, "count");
    struct columns c;

    if (cli_talk_json(t))
        return EXIT_DONE;
    columns_init(&c, "target|what|>nodes|>since|>next|note");
    for (uint32_t i = 0; i < count; i++, mp_skip(&at))
        add_one(&c, at);
    if (count > 0)
        columns_print(&c, stdout);
    else
        puts("This node publishes nothing.");
    if (all > count)
        printf("and %" PRIu64 " more\n", all - count);
    columns_deinit(&c);
    return EXIT_DONE;
}

static enum exit_code published(struct cli *cli)
{
    return cli_dht_ask(cli, "asking the daemon", "dht.published", NULL, NULL,
                       false, print_published);
}

const struct cli_verb cli_published_verbs[] = {
    {"dht published", "", 0, "what this node publishes: where, until when",
     options, true, false, published},
    {0}};
