/* SPDX-License-Identifier: MIT
 *
 * What is said about the verbs: the list of all, the flags of one, and what
 * was meant by a word that names none.
 */
#ifndef WARREN_CLI_CLI_HELP_H
#define WARREN_CLI_CLI_HELP_H

#include "cli/ask/arguments.h"

#include <stdbool.h>
#include <stdio.h>

/* "--help", "-h". */
bool cli_help_is_flag(const char *word);

void cli_help_all(FILE *to);
void cli_help_verb(const struct cli_verb *verb);
/* `warren help WORDS...` */
int cli_help_words(int argc, char **argv);
/* No verb begins like this: shows the group, or what was meant. */
int cli_help_unknown(int argc, char **argv);

#endif
