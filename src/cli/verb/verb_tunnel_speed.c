/* SPDX-License-Identifier: MIT
 *
 * `warren tunnel speedtest`: live figures, then a summary.
 */
#include "base/text.h"
#include "base/timestamp.h"
#include "cli/show/screen.h"
#include "cli/verb/verb_tunnel.h"
#include "cli/verb/verbs.h"
#include "node/control/reply.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SECONDS_DEFAULT 5
#define SECONDS_MAX     3600

/* Beyond the time of the test and of building: what is under way comes in. */
#define TEST_SLACK 35

static const struct cli_option speedtest_options[] = {
    {"--hops", "N", "hops of the circuit (3)"},
    {"--seconds", "S", "how long to send (5)"},
    {0}};

static double megabytes(struct mp_reader report, const char *key)
{
    return (double)reply_uint(report, key) / 1e6;
}

static double loss(struct mp_reader report)
{
    uint64_t sent = reply_uint(report, "sent");

    if (sent == 0)
        return 0;
    return 100 * (double)reply_uint(report, "lost") / (double)sent;
}

static void notified(struct cli_talk *t, struct bytes method,
                     struct mp_reader params)
{
    char line[160];

    cli_tunnel_notified(t, method, params);
    if (!bytes_equal(method, bytes_of_text("speedtest")))
        return;
    t->draws_itself = true;
    snprintf(line, sizeof(line),
             "%5.1f s  up %7.2f MB/s  down %7.2f MB/s  loss %5.2f %%  "
             "round trip %.2f ms",
             reply_double(params, "elapsed") / 1e3, megabytes(params, "up"),
             megabytes(params, "down"), loss(params),
             reply_double(params, "rtt_mean"));
    cli_talk_draw(t, line);
}

static void line(const char *label, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void line(const char *label, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    screen_fold(stdout, 12, label, text);
}

static void print_report(struct mp_reader r)
{
    char count[TEXT_COUNT_SIZE];

    line("circuit", "%" PRIu64 ", %s, %.1f s", reply_uint(r, "circuit"),
         text_count(reply_uint(r, "hops"), "hop", count),
         reply_double(r, "elapsed") / 1e3);
    line("goodput", "up %.2f MB/s, down %.2f MB/s", megabytes(r, "up"),
         megabytes(r, "down"));
    line("loss",
         "%.2f %% of %s: %" PRIu64 " on the way there, %" PRIu64
         " on the way back, %" PRIu64 " refused",
         loss(r), text_count(reply_uint(r, "sent"), "datagram", count),
         reply_uint(r, "lost_forward"), reply_uint(r, "lost_backward"),
         reply_uint(r, "refused"));
    line("round trip", "%.2f ms (%.2f to %.2f), jitter %.2f",
         reply_double(r, "rtt_mean"), reply_double(r, "rtt_min"),
         reply_double(r, "rtt_max"), reply_double(r, "jitter"));
}

static enum exit_code speedtest(struct cli *cli)
{
    const char *text = cli_value(cli, "--seconds");
    uint64_t hops, duration = SECONDS_DEFAULT * TIME_S;
    struct cli_talk t;
    enum exit_code code;

    if (!cli_read_hops(cli, &hops) ||
        (text != NULL && !cli_read_time("--seconds", text, TIME_S,
                                        SECONDS_MAX * TIME_S, &duration)))
        return EXIT_USAGE;
    code = cli_talk_init(&t, cli, "waiting for a circuit");
    if (code != EXIT_DONE)
        return code;
    struct mp_writer *w = cli_tunnel_params(&t, hops, 1);
    mp_write_text(w, "duration");
    mp_write_uint(w, duration / TIME_MS);
    t.notified = notified;
    t.slack = duration + TEST_SLACK * TIME_S;
    code = cli_talk_call(&t, "tunnel.speedtest");
    if (code == EXIT_DONE) {
        if (!cli_talk_json(&t))
            print_report(t.answer.value);
        if (reply_uint(t.answer.value, "answered") == 0)
            code = EXIT_UNANSWERED;
    }
    cli_talk_deinit(&t);
    return code;
}

const struct cli_verb cli_tunnel_speed_verbs[] = {
    {"tunnel speedtest", "", 0, "measure a circuit: goodput, loss, round trip",
     speedtest_options, true, false, speedtest},
    {0}};
