/* SPDX-License-Identifier: MIT
 *
 * Opens the file of the store: makes it, checks it, sets it aside when it is
 * damaged, and brings its schema up to date.
 */
#ifndef WARREN_STORE_FILE_H
#define WARREN_STORE_FILE_H

#include "base/error.h"
#include "store/store.h"

#include <sqlite3.h>

/* A connection to a sound file of the newest schema. Errors and `report` as
 * store_open says. */
enum error store_file_open(const char *dir, const struct store_options *options,
                           sqlite3 **out, struct store_report *report);

#endif
