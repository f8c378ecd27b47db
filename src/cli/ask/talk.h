/* SPDX-License-Identifier: MIT
 *
 * What the verbs share that talk to the daemon: finding it, asking it, waiting
 * with progress on a terminal, saying what went wrong.
 */
#ifndef WARREN_CLI_ASK_TALK_H
#define WARREN_CLI_ASK_TALK_H

#include "cli/ask/arguments.h"
#include "cli/show/exit_code.h"
#include "cli/show/trace_plot.h"
#include "node/control/control_client.h"
#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#include <stdbool.h>

#define CLI_NOTE_SIZE 240

struct cli_talk {
    struct cli *cli;
    struct control_client client;
    struct control_frame answer;
    uint8_t params[CONTROL_REQUEST_MAX];
    struct mp_writer writer;
    const char *doing;       /* "looking for peers", for the progress */
    bool progress;           /* stderr is a terminal */
    bool trace;              /* steps are printed as they come */
    bool drawn;              /* a progress line is on the terminal */
    struct trace_plot steps; /* of a trace, to be drawn at the end */
    unsigned answered, unanswered, found;
    /* In the place of counting steps, when not NULL: may write `note`, which
     * follows `doing` on the progress line. */
    void (*notified)(struct cli_talk *t, struct bytes method,
                     struct mp_reader params);
    char note[CLI_NOTE_SIZE];
    bool draws_itself; /* live figures are on the line */
    enum error quiet;  /* of the daemon: not said, but `hushed` is set */
    bool hushed;
    uint64_t slack; /* ns beyond --timeout, for a daemon that keeps to it */
};

/* Connects. What fails is said; then there is nothing to deinit. */
enum exit_code cli_talk_init(struct cli_talk *t, struct cli *cli,
                             const char *doing);
void cli_talk_deinit(struct cli_talk *t);

/* The params of the next request: `pairs` follow. */
struct mp_writer *cli_talk_params(struct cli_talk *t, uint32_t pairs);
/* The same for a method of the DHT, by --mainline of which. That, and with
 * `lookup` those for tracing and progress, are written here and not counted by
 * the caller. */
struct mp_writer *cli_talk_dht_params(struct cli_talk *t, uint32_t pairs,
                                      bool lookup);

/* Sends it; after EXIT_DONE the map of the answer is at t->answer.value. What
 * fails is said, in JSON too if that was asked for. */
enum exit_code cli_talk_call(struct cli_talk *t, const char *method);

/* The same for a request that goes on: its first news are in t->answer, and
 * from then on nothing is waited for. */
enum exit_code cli_talk_begin(struct cli_talk *t, const char *method);

/* A whole conversation of one request without params: its answer is printed as
 * JSON, when that was asked for, or by `print`. */
enum exit_code cli_talk_show(struct cli *cli, const char *method,
                             void (*print)(struct mp_reader answer));

/* After the steps of a trace, before what else is printed: an empty line, and
 * the steps as a drawing. */
void cli_talk_end_trace(const struct cli_talk *t);

/* Draws the progress line anew, or takes it away. */
void cli_talk_draw(struct cli_talk *t, const char *line);

/* Prints the answer as JSON when that was asked for; true when it was. */
bool cli_talk_json(const struct cli_talk *t);

#endif
