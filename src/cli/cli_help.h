/* SPDX-License-Identifier: MIT
 *
 * Which verbs there are, and what is said about them.
 */
#ifndef WARREN_CLI_CLI_HELP_H
#define WARREN_CLI_CLI_HELP_H

#include "cli/cli.h"

#include <stddef.h>
#include <stdio.h>

/* The verb that the first of `argv` name, and how many words it took. */
const struct cli_verb *cli_find_verb(int argc, char **argv, int *words);

/* The flags of a verb, its own and those of all; NULL past the end. */
const struct cli_option *cli_option_at(const struct cli_verb *verb,
                                       size_t place);

void cli_help_all(FILE *to);
void cli_help_verb(const struct cli_verb *verb);
/* `warren help WORDS...` */
int cli_help_words(int argc, char **argv);
/* No verb begins like this: shows the group, or what was meant. */
int cli_help_unknown(int argc, char **argv);

#endif
