/* SPDX-License-Identifier: MIT */
#include "cli/crawl/crawl_walk.h"

#include "base/timestamp.h"
#include "cli/show/say.h"
#include "node/control/reply.h"
#include "node/os/clock.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY_LIMIT 4096
#define PORTS     65536 /* of a host: all of a testing network may be there */
#define STEP      (100 * TIME_MS) /* looks at signals and draws */
#define DRAWN     (500 * TIME_MS) /* the line, that often */

/* Of a run through the mainline DHT, unless told otherwise: at 20 a second 42
 * minutes, and more than an estimate needs. */
#define MAINLINE_QUERIES 50000

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void catch_signals(void)
{
    struct sigaction a = {.sa_handler = on_signal,
                          .sa_flags = (int)SA_RESETHAND};

    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

uint64_t crawl_walk_time(const struct crawl_walk *w)
{
    return w->base + time_since(w->began_at, clock_now());
}

/* ---- Beginning ----------------------------------------------------------- */

static enum exit_code fail(enum error err, struct text *why)
{
    enum exit_code code = cli_say(
        err == ERR_SYNTAX || err == ERR_NOT_FOUND ? EXIT_USAGE : EXIT_TROUBLE,
        error_name(err), text_get(why));

    text_deinit(why);
    return code;
}

static void read_self(struct crawl_walk *w, struct mp_reader dht, enum family f,
                      const char *key)
{
    struct mp_reader at;

    w->config.family[f] = reply_find(dht, key, &at);
    if (w->config.family[f])
        w->config.has_self[f] =
            id_parse(reply_text(at, "id"), &w->config.self[f]) == OK;
}

/* Those in the table of the node. */
static enum exit_code ask_for_nodes(struct crawl_walk *w)
{
    cli_talk_dht_params(&w->talk, 0, false);
    return cli_talk_call(&w->talk, "dht.nodes");
}

static uint32_t count_nodes(const struct crawl_walk *w)
{
    struct mp_reader at;

    return reply_array(w->talk.answer.value, "nodes", &at);
}

/* What network the node is in, by which ids, and where it keeps its files. */
static enum exit_code learn_node(struct crawl_walk *w, const char *path)
{
    enum exit_code code;
    struct mp_reader status, dht;

    cli_talk_params(&w->talk, 0);
    code = cli_talk_call(&w->talk, "status");
    if (code != EXIT_DONE)
        return code;
    status = w->talk.answer.value;
    snprintf(w->record.network, sizeof(w->record.network), "%s",
             reply_text(status, "network"));
    w->record.testing = reply_bool(status, "testing_network");
    w->record.mainline = cli_in_mainline(w->talk.cli);
    w->config.testing_network = w->record.testing;
    w->config.mainline = w->record.mainline;
    if (w->record.testing)
        w->config.max_per_host = PORTS;
    if (path != NULL)
        snprintf(w->record.path, sizeof(w->record.path), "%s", path);
    else
        snprintf(w->record.path, sizeof(w->record.path), "%s/%s",
                 reply_text(status, "data_dir"),
                 w->record.mainline ? "crawl-mainline.state" : "crawl.state");
    if (reply_find(status, w->record.mainline ? "mainline" : "dht", &dht)) {
        read_self(w, dht, FAMILY_IPV4, "ipv4");
        read_self(w, dht, FAMILY_IPV6, "ipv6");
    }
    /* Before there is a record: it may not be in that DHT. */
    return ask_for_nodes(w);
}

static enum exit_code learn_nodes(struct crawl_walk *w)
{
    enum exit_code code;
    struct mp_reader at;
    uint32_t count;

    code = ask_for_nodes(w);
    if (code != EXIT_DONE)
        return code;
    count = reply_array(w->talk.answer.value, "nodes", &at);
    for (uint32_t i = 0; i < count; i++, mp_skip(&at)) {
        struct endpoint ep;
        struct id id;

        if (id_parse(reply_text(at, "id"), &id) != OK ||
            endpoint_parse(reply_text(at, "address"), &ep) != OK)
            continue;
        crawl_record_known(&w->record, &id, &ep);
        crawl_add(w->c, &id, &ep);
    }
    return EXIT_DONE;
}

static enum exit_code begin(struct crawl_walk *w)
{
    struct text why;
    enum error err;

    text_init(&why, WHY_LIMIT);
    err = crawl_record_new(&w->record, &why);
    if (err != OK)
        return fail(err, &why);
    w->config.random = crawl_record_random(&w->record);
    err = crawl_new(&w->config, 0, &w->c);
    if (err != OK) {
        text_add(&why, error_text(err));
        return fail(err, &why);
    }
    text_deinit(&why);
    return EXIT_DONE;
}

/* Addresses of one DHT are nobody's in the other. */
static enum error check_dht(const struct crawl_record *record,
                            const struct crawl_record *node, struct text *why)
{
    if (record->mainline == node->mainline)
        return OK;
    text_addf(why, "%s is of a crawl through ", record->path);
    if (record->mainline)
        text_add(why, "the mainline DHT: --mainline goes on with it");
    else
        text_addf(why,
                  "the DHT of the network %s: without --mainline it goes on",
                  record->network);
    return ERR_SYNTAX;
}

static enum error check_network(const struct crawl_walk *w,
                                const struct crawl_record *node,
                                struct text *why)
{
    enum error err = check_dht(&w->record, node, why);

    if (err != OK)
        return err;
    if (strcmp(w->record.network, node->network) == 0 &&
        w->record.testing == node->testing)
        return OK;
    text_addf(why,
              "%s is of a crawl through the network %s%s, this node is in "
              "%s%s",
              w->record.path, w->record.network,
              w->record.testing ? " (testing)" : "", node->network,
              node->testing ? " (testing)" : "");
    return ERR_SYNTAX;
}

static enum exit_code resume(struct crawl_walk *w)
{
    struct crawl_record node = w->record;
    struct text why;
    enum error err;

    text_init(&why, WHY_LIMIT);
    err = crawl_record_open(&w->record, &why);
    if (err != OK)
        return fail(err, &why);
    err = check_network(w, &node, &why);
    w->config.random = crawl_record_random(&w->record);
    if (err == OK)
        err = crawl_new(&w->config, 0, &w->c);
    if (err == OK)
        err = crawl_record_replay(&w->record, w->c, &w->base, &why);
    if (err != OK) {
        if (why.len == 0)
            text_add(&why, error_text(err));
        return fail(err, &why);
    }
    crawl_interrupted(w->c, w->base);
    text_deinit(&why);
    return EXIT_DONE;
}

/* Of a walk that has nobody to begin with. */
static enum exit_code no_nodes(const struct crawl_walk *w)
{
    return cli_say(EXIT_UNANSWERED, error_name(ERR_NO_NODES),
                   w->record.mainline
                       ? "no node of the mainline DHT is known yet: 'warren "
                         "status' says why"
                       : "no other node is known yet: 'warren status' says "
                         "why");
}

/* Who wants to ask millions says so. */
static void limit_queries(struct crawl_walk *w)
{
    struct crawl_counts counts;

    if (!w->record.mainline || w->config.max_queries > 0)
        return;
    crawl_counts(w->c, &counts);
    w->config.max_queries = counts.queries + MAINLINE_QUERIES;
    crawl_reconfigure(w->c, &w->config);
}

enum exit_code crawl_walk_init(struct crawl_walk *w, struct cli *cli,
                               const char *path, bool resumes)
{
    enum exit_code code = cli_talk_init(&w->talk, cli, "crawling");

    if (code != EXIT_DONE)
        return code;
    w->config.max_in_flight = CRAWL_FLIGHT_MAX;
    code = learn_node(w, path);
    if (code == EXIT_DONE && !resumes && count_nodes(w) == 0)
        code = no_nodes(w);
    if (code == EXIT_DONE)
        code = resumes ? resume(w) : begin(w);
    w->began_at = clock_now();
    if (code == EXIT_DONE)
        limit_queries(w);
    if (code == EXIT_DONE)
        code = learn_nodes(w);
    if (code != EXIT_DONE)
        crawl_walk_deinit(w);
    return code;
}

void crawl_walk_deinit(struct crawl_walk *w)
{
    crawl_free(w->c);
    crawl_record_close(&w->record);
    cli_talk_deinit(&w->talk);
}

/* ---- Asking -------------------------------------------------------------- */

static enum error ask(struct crawl_walk *w, const struct crawl_question *q,
                      struct text *why)
{
    char address[ENDPOINT_TEXT_SIZE], target[ID_TEXT_SIZE];
    struct mp_writer *m = cli_talk_dht_params(&w->talk, 2, false);
    unsigned at = w->flying;
    enum error err;

    mp_write_text(m, "address");
    mp_write_text(m, endpoint_print(&q->to, address));
    mp_write_text(m, "target");
    mp_write_text(m, id_print(&q->target, target));
    crawl_record_asked(&w->record, crawl_walk_time(w), &q->to);
    err = control_client_send(&w->talk.client, "dht.ask", mp_writer_bytes(m),
                              &w->flight[at].msgid, why);
    if (err != OK)
        return err;
    w->flight[at].to = q->to;
    w->flying++;
    return OK;
}

/* ---- What comes back ----------------------------------------------------- */

static void read_named(struct mp_reader at, struct dht_answer *a,
                       struct crawl_named *names)
{
    struct endpoint ep;
    struct id id;

    if (id_parse(reply_text(at, "id"), &id) == OK &&
        endpoint_parse(reply_text(at, "address"), &ep) == OK)
        crawl_record_name(a, names, &id, &ep);
}

static void take_error(struct crawl_walk *w, const struct endpoint *to,
                       enum error why)
{
    uint64_t now = crawl_walk_time(w);

    crawl_record_failed(&w->record, now, to, why);
    crawl_failed(w->c, to, why, now);
}

static void take_answer(struct crawl_walk *w, const struct endpoint *to,
                        struct mp_reader value)
{
    struct crawl_named names;
    struct dht_answer a = {.from = *to};
    uint64_t now = crawl_walk_time(w);
    struct mp_reader at;
    uint32_t count;

    if (id_parse(reply_text(value, "id"), &a.id) != OK) {
        take_error(w, to, ERR_IO);
        return;
    }
    a.rtt = (uint64_t)(reply_double(value, "rtt") * (double)TIME_MS);
    a.version = reply_bytes(value, "version");
    if (a.version.len > DHT_VERSION_MAX)
        a.version.len = DHT_VERSION_MAX;
    count = reply_array(value, "nodes", &at);
    for (uint32_t i = 0; i < count; i++, mp_skip(&at))
        read_named(at, &a, &names);
    crawl_record_answered(&w->record, now, &a);
    crawl_answered(w->c, to, &a, now);
}

static void take(struct crawl_walk *w, const struct control_frame *f)
{
    struct endpoint to;
    enum error why;
    unsigned i = 0;

    while (i < w->flying && w->flight[i].msgid != f->msgid)
        i++;
    if (i == w->flying)
        return;
    to = w->flight[i].to;
    w->flight[i] = w->flight[--w->flying];
    if (f->code.len == 0) {
        take_answer(w, &to, f->value);
        return;
    }
    /* The node's own cap: it is waited for. */
    why = crawl_record_error(f->code);
    take_error(w, &to, why == ERR_NO_SPACE ? ERR_FULL : why);
}

/* ---- Running ------------------------------------------------------------- */

static uint64_t sum(const struct crawl_counts *c, enum crawl_state state)
{
    return c->states[FAMILY_IPV4][state] + c->states[FAMILY_IPV6][state];
}

static void draw(struct crawl_walk *w)
{
    struct crawl_counts c;
    char line[256];
    uint64_t left;

    crawl_counts(w->c, &c);
    left = sum(&c, CRAWL_NAMED) + sum(&c, CRAWL_WAITS);
    snprintf(line, sizeof(line),
             "crawling: %" PRIu64 " s, %" PRIu64 " seen, %" PRIu64
             " silent, %" PRIu64 " to ask (%" PRIu64 " s or more), %u of %u "
             "places",
             crawl_walk_time(w) / TIME_S, sum(&c, CRAWL_ANSWERED),
             sum(&c, CRAWL_SILENT), left, left / w->config.rate,
             c.probes_done[FAMILY_IPV4] + c.probes_done[FAMILY_IPV6],
             w->config.probes * (w->config.family[FAMILY_IPV4] +
                                 w->config.family[FAMILY_IPV6]));
    cli_talk_draw(&w->talk, line);
}

static uint64_t patience(const struct crawl_walk *w)
{
    uint64_t at = crawl_next_at(w->c);

    return time_min(STEP, time_since(crawl_walk_time(w), at));
}

static enum error go_on(struct crawl_walk *w, struct text *why)
{
    struct control_frame f;
    struct crawl_question q;
    enum error err = OK;

    while (err == OK && crawl_next(w->c, crawl_walk_time(w), &q))
        err = ask(w, &q, why);
    if (err != OK)
        return err;
    err = control_client_take(&w->talk.client, patience(w), &f, why);
    while (err == OK) {
        take(w, &f);
        err = control_client_take(&w->talk.client, 0, &f, why);
    }
    return err == ERR_TIMEOUT ? OK : err;
}

/* Who has spent all queries that it may need not have. */
static bool has_asked_all(const struct crawl_walk *w)
{
    struct crawl_counts c;

    crawl_counts(w->c, &c);
    return crawl_is_over(w->c) &&
           sum(&c, CRAWL_NAMED) + sum(&c, CRAWL_WAITS) == 0;
}

enum exit_code crawl_walk_run(struct crawl_walk *w)
{
    uint64_t drawn_at = 0;
    enum error err = OK;
    struct text why;

    text_init(&why, WHY_LIMIT);
    catch_signals();
    while (err == OK && !stop && !crawl_is_over(w->c)) {
        err = go_on(w, &why);
        if (w->talk.progress && time_since(drawn_at, clock_now()) > DRAWN) {
            draw(w);
            drawn_at = clock_now();
        }
    }
    if (w->talk.drawn)
        fputs("\r\033[K", stderr);
    w->talk.drawn = false;
    w->over = err == OK && has_asked_all(w);
    w->base = crawl_walk_time(w);
    w->began_at = clock_now();
    if (w->over)
        crawl_record_ended(&w->record, w->base);
    if (err != OK)
        return fail(err, &why);
    text_deinit(&why);
    return EXIT_DONE;
}
