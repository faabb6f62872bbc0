process.stdout.write("legate\n");
