declare function addProblem(text: string): void;
declare function rulesOf(sheet: any): any;
