declare function addProblem(text: string): void;
declare function rulesOf(sheet: any): any;
declare function unquoted(family: string): string;
