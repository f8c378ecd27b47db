/* SPDX-License-Identifier: MIT
 *
 * What a verb is, and what one invocation of it has for arguments and flags.
 */
#ifndef WARREN_CLI_ASK_ARGUMENTS_H
#define WARREN_CLI_ASK_ARGUMENTS_H

#include "base/id.h"
#include "cli/show/exit_code.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLI_ARGS_MAX    4
#define CLI_OPTIONS_MAX 24

struct cli_option {
    const char *name;  /* "--seq"; NULL ends a list */
    const char *value; /* "N" in the help; NULL: it takes none */
    const char *meaning;
};

/* Of all verbs about the DHT. */
#define CLI_MAINLINE                                                         \
    {                                                                        \
        "--mainline", NULL,                                                  \
            "in the mainline DHT, that of BitTorrent, not in the network's " \
            "own"                                                            \
    }

/* Of those that look something up there. */
#define CLI_TRACE                                                         \
    {                                                                     \
        "--trace", NULL, "print every node that is asked, and its answer" \
    }

struct cli;

struct cli_verb {
    const char *name; /* "dht key new"; NULL ends a table */
    const char *args; /* "HASH"; "" for none; the last may be missing as
                         "[VALUE]", then it is NULL in cli->args; after
                         "PROGRAM ARGS..." all is the program's */
    unsigned arg_count;
    const char *meaning;
    /* Flags besides the ones of all verbs that talk to the daemon; NULL ends
     * the list at once. */
    const struct cli_option *options;
    bool talks; /* to the daemon */
    bool raw;   /* its flags are the configuration's */
    enum exit_code (*run)(struct cli *cli);
};

/* One invocation. */
struct cli {
    const struct cli_verb *verb;
    int argc; /* what follows the words of the verb */
    char **argv;
    char **environment;
    const char *args[CLI_ARGS_MAX];
    char **program; /* with its arguments, and NULL at the end */
    const char *values[CLI_OPTIONS_MAX]; /* as cli_value; by option */
    bool json;
    uint64_t timeout; /* ns */
};

/* The flags of a verb, its own and those of all; NULL past the end. */
const struct cli_option *cli_option_at(const struct cli_verb *verb,
                                       size_t place);

/* How many of argv are the verb's, up to "--" or to the program. */
int cli_own_words(const struct cli *cli);

/* Reads what follows the words of the verb; false after a sentence. */
bool cli_parse(struct cli *cli);
/* Then the flags that many verbs have. */
bool cli_parse_common(struct cli *cli);

/* Says that so many arguments are too few, or too many; false. */
bool cli_wrong_count(const struct cli_verb *verb, unsigned count);

/* The value of a flag ("--seq"); NULL when it was not given. */
const char *cli_value(const struct cli *cli, const char *name);

/* Whether --mainline was given. */
bool cli_in_mainline(const struct cli *cli);

/* Arguments as ids and numbers; false after a sentence. */
bool cli_read_id(const char *what, const char *text, struct id *out);
/* An info-hash: an id, or a magnet link that has one. */
bool cli_read_hash(const char *what, const char *text, struct id *out);
bool cli_read_number(const char *what, const char *text, uint64_t min,
                     uint64_t max, uint64_t *out);
/* A time as settings have it (500ms, 30s, 2m), or a number of seconds; `min`,
 * `max` and `out` in ns. */
bool cli_read_time(const char *what, const char *text, uint64_t min,
                   uint64_t max, uint64_t *out);

#endif
