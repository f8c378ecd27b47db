/* SPDX-License-Identifier: MIT
 *
 * The command line: verbs of one to three words, their flags, their help. A
 * new verb is a row in one of the tables below and a function.
 */
#ifndef WARREN_CLI_CLI_H
#define WARREN_CLI_CLI_H

#include "base/id.h"
#include "cli/exit_code.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLI_ARGS_MAX    4
#define CLI_OPTIONS_MAX 16

struct cli_option {
    const char *name;  /* "--seq"; NULL ends a list */
    const char *value; /* "N" in the help; NULL: it takes none */
    const char *meaning;
};

struct cli;

struct cli_verb {
    const char *name; /* "dht key new"; NULL ends a table */
    const char *args; /* "HASH"; "" for none */
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
    const char *values[CLI_OPTIONS_MAX]; /* as cli_value; by option */
    bool json;
    uint64_t timeout; /* ns */
};

extern const struct cli_verb cli_local_verbs[]; /* cli_local.c */
extern const struct cli_verb cli_dht_verbs[];   /* cli_dht.c */
extern const struct cli_verb cli_item_verbs[];  /* cli_item.c */
extern const struct cli_verb cli_status_verbs[];
extern const struct cli_verb cli_tunnel_verbs[]; /* cli_tunnel.c */
extern const struct cli_verb cli_tunnel_list_verbs[];
extern const struct cli_verb cli_tunnel_speed_verbs[];

/* Everything: returns the exit code of the process. */
int cli_main(int argc, char **argv, char **environment);

/* The value of a flag ("--seq"); NULL when it was not given. */
const char *cli_value(const struct cli *cli, const char *name);

/* Prints lines of text to stderr, each with "warren: " before it, or with
 * --json an object to stdout, in which `name` is the code; returns `code`. */
enum exit_code cli_say(enum exit_code code, const char *name, const char *why);

/* The same with a sentence; the name is that of wrong arguments, or of trouble
 * on this machine. */
enum exit_code cli_fail(enum exit_code code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Arguments as ids and numbers; false after a sentence. */
bool cli_read_id(const char *what, const char *text, struct id *out);
bool cli_read_number(const char *what, const char *text, uint64_t min,
                     uint64_t max, uint64_t *out);

#endif
